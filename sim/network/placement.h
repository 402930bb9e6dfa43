/// Where the ranks of equal groups sit, so that flows know their ends.
///
/// A rank group says how many ranks, how many on each node and how far its nodes lie apart;
/// parallel jobs run as many equal groups as fill the cluster, so all of them are placed:
///
///   - on a node, group after group takes `ranks_per_node` neighbouring GPUs; GPUs that are too few
///     for another group idle;
///   - `node_stride` groups interleave: the one that begins at node b has nodes b, b + stride, ...;
///   - such blocks of N x stride nodes follow one another; nodes that are too few for a block idle,
///     and so do a last node's GPUs where the ranks do not fill it.
///
/// Ranks go node by node, in a node by GPU. A GPU counts over the cluster: node x GPUs + index.
#pragma once

#include <cstdint>
#include <vector>

#include "base/operation.h"
#include "base/result.h"

namespace ridgeline::network {

using GpuIndex = int64_t;
/// One group's GPUs, by rank.
using GroupGpus = std::vector<GpuIndex>;

/// All groups that fill `nodes` of `gpus_per_node`; the first begins at node 0, GPU 0. A stride too
/// wide for the cluster shrinks to what fits. Errors: kInvalidArgument for a group of more nodes or
/// more ranks a node than there are. O(GPUs).
Result<std::vector<GroupGpus>> PlaceGroups(const RankGroup& group, int64_t nodes,
                                           int64_t gpus_per_node);

/// What messages from stage to stage of pipelines that fill the cluster do when all send at once:
/// every GPU to its like `stride` nodes on, as far as there are nodes. A stride too wide shrinks to
/// the widest that reaches. Errors: kInvalidArgument for one node. O(GPUs).
Result<std::vector<GroupGpus>> PlaceSends(int64_t stride, int64_t nodes, int64_t gpus_per_node);

/// The GPUs of one group on one node, in order of rank.
struct NodeGpus {
  int64_t node = 0;
  std::vector<GpuIndex> gpus;
};
/// By node, in order of first rank.
std::vector<NodeGpus> ByNode(const GroupGpus& group, int64_t gpus_per_node);

}  // namespace ridgeline::network

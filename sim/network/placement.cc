#include "sim/network/placement.h"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

namespace ridgeline::network {

Result<std::vector<GroupGpus>> PlaceGroups(const RankGroup& group, int64_t nodes,
                                           int64_t gpus_per_node) {
  const int64_t ranks = std::max<int64_t>(group.ranks, 1);
  const int64_t per_node = std::clamp<int64_t>(group.ranks_per_node, 1, ranks);
  const int64_t group_nodes = (ranks + per_node - 1) / per_node;
  if (per_node > gpus_per_node || group_nodes > nodes) {
    return InvalidArgument(
        fmt::format("a group of {} ranks, {} a node, does not fit on {} nodes of {} GPUs", ranks,
                    per_node, nodes, gpus_per_node),
        "flows need a place for every rank: enlarge the cluster or shrink the group");
  }
  const int64_t stride = std::clamp<int64_t>(group.node_stride, 1, nodes / group_nodes);
  std::vector<GroupGpus> groups;
  for (int64_t block = 0; (block + 1) * group_nodes * stride <= nodes; ++block) {
    for (int64_t offset = 0; offset < stride; ++offset) {
      const int64_t first_node = block * group_nodes * stride + offset;
      for (int64_t first_gpu = 0; first_gpu + per_node <= gpus_per_node; first_gpu += per_node) {
        GroupGpus& gpus = groups.emplace_back();
        gpus.reserve(static_cast<size_t>(ranks));
        for (int64_t rank = 0; rank < ranks; ++rank) {
          const int64_t node = first_node + rank / per_node * stride;
          gpus.push_back(node * gpus_per_node + first_gpu + rank % per_node);
        }
      }
    }
  }
  return groups;
}

Result<std::vector<GroupGpus>> PlaceSends(int64_t stride, int64_t nodes, int64_t gpus_per_node) {
  if (nodes < 2) {
    return InvalidArgument("a message between nodes of a cluster of one",
                           "flows need a place for every rank: enlarge the cluster");
  }
  const int64_t reach = std::clamp<int64_t>(stride, 1, nodes - 1);
  std::vector<GroupGpus> pairs;
  for (int64_t gpu = 0; gpu < (nodes - reach) * gpus_per_node; ++gpu) {
    pairs.push_back({gpu, gpu + reach * gpus_per_node});
  }
  return pairs;
}

std::vector<NodeGpus> ByNode(const GroupGpus& group, int64_t gpus_per_node) {
  std::vector<NodeGpus> nodes;
  std::unordered_map<int64_t, size_t> place;
  for (const GpuIndex gpu : group) {
    const int64_t node = gpu / gpus_per_node;
    const auto [found, is_new] = place.try_emplace(node, nodes.size());
    if (is_new) {
      nodes.push_back({.node = node, .gpus = {}});
    }
    nodes[found->second].gpus.push_back(gpu);
  }
  return nodes;
}

}  // namespace ridgeline::network

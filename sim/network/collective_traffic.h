/// The flows of one collective over one group: who sends how many bytes to whom, and what waits for
/// what.
///
/// Persistent flows, where a library pipelines: a ring of n ranks is n flows that all run from the
/// start, not 2 (n - 1) n messages. Per algorithm, for a buffer of S over n ranks on N nodes, g a
/// node, with r rails (NICs that the group's GPUs use; NCCL runs a channel on each, and messages of
/// a channel stay on its rail):
///
///   ring          each rail's ring goes round each node, rotated to begin at the rail's GPU:
///                 every hop 2 (n-1)/n S/r (all-gather and reduce-scatter half; broadcast S/r, but
///                 into the root)
///   tree          a chain through each node to the rail's GPU, S/r up and down every hop; between
///                 nodes NCCL's double binary tree, S/(2 r) up and down every edge of both
///   nvls          S (1 + 1/n) out of and into each GPU's port (all-gather and reduce-scatter
///                 (n-1)/n S): written as a flow to the next GPU, which loads the same ports
///   nvls-tree     nvls in each node, the double trees between
///   collnet       each rail sends S/r up into the switches and has S/r back: written as flows
///                 from node to next node, which cross each leaf's border as often as the switches'
///                 own tree; in the node directly between all (direct) or along chains (chain)
///   pat           over ranks, distance 2^i: as many parts of S/n as ranks are an odd multiple of
///                 2^i away (far hops carry least; arXiv:2506.20252)
///   hierarchical  three phases that follow one another rank by rank: rings in the node, rings
///                 between GPUs of equal index, rings in the node
///   all-to-all    S/n from each to each; all at once, or `window` exchanges in flight a rank:
///                 the k-th of a rank, to the rank k further, waits for its (k - window)-th
///   one-shot      S from each to each;  two-shot: S/n from each to each, twice
///   send          S from the first rank to the last
///
/// Volumes: COLLECTIVES in NVIDIA/nccl v2.30.7 (src/graph/trees.cc for the trees).
#pragma once

#include <cstdint>

#include "base/operation.h"
#include "base/result.h"
#include "sim/network/placement.h"
#include "sim/network/traffic_writer.h"

namespace ridgeline::network {

/// More flows than that are refused: they would take a minute and gigabytes.
inline constexpr double kMostFlows = 8e6;

struct CollectiveTraffic {
  CollectiveKind kind = CollectiveKind::kAllReduce;
  CollectiveAlgorithm algorithm = CollectiveAlgorithm::kRing;  // not kChosen
  double bytes = 0.0;  // the full buffer, as nccl-tests counts it
  int64_t window = 0;  // all-to-all: exchanges in flight a rank; 0: all at once
  /// 0: persistent flows. Else rings step by step (2 (n-1) or n-1 steps of one of n parts each),
  /// and trees in so many chunks that follow one another: for tests of dependencies, and expensive.
  int64_t chunks = 0;
};

/// The flows that were written: the collective is done when all have ended.
struct FlowRange {
  engine::FlowIndex begin = 0;
  engine::FlowIndex end = 0;
};

/// Appends the flows of the group to the writer, which says when they begin. Errors:
/// UNIMPLEMENTED for an algorithm that does not do the collective, kResourceExhausted beyond 8 M
/// flows in the writer. Nothing for a group of one or no bytes. O(flows x hops).
Result<FlowRange> AppendCollective(const CollectiveTraffic& collective, const GroupGpus& group,
                                   TrafficWriter& writer);

/// The parent of a rank in NCCL's binary tree over `ranks` (src/graph/trees.cc); -1 for the root.
int64_t BinaryTreeParent(int64_t rank, int64_t ranks);
/// The same in the twin: mirrored for an even number of ranks, shifted by one for an odd one, so
/// that inner ranks of one tree are leaves of the other.
int64_t TwinTreeParent(int64_t rank, int64_t ranks);

}  // namespace ridgeline::network

/// All-reduce on trees: NCCL's double binary tree over nodes with a chain inside each (Sanders,
/// Speck and Traeff 2009). Data goes up and down in chunks, so latency counts once each way and the
/// buffer passes every rank's link about twice:
///
///     latency = base + 2 ((g - 1) a_inside + floor(log2 N) a_across)
///     rate    = bus / 2,    bus = min(0.92 of the graph's, channels x ceiling), cut by protocol
///
/// as NVIDIA/nccl v2.30.7 src/graph/tuning.cc has it; the correction of a tree's rate by size is
/// algorithm_choice.h's. The factor 0.85 for trees whose network traffic all passes one GPU is left
/// out: which pattern the search found is not known.
#pragma once

#include "sim/network/affine_time.h"
#include "sim/network/channel_graph.h"

namespace ridgeline::network {

/// floor(log2 N).
double LevelsOf(const GroupShape& shape);

/// Requires two ranks or more. O(1).
AffineTime TreeTime(CollectiveProtocol protocol, const ChannelGraph& graph,
                    const GroupLinks& links);

}  // namespace ridgeline::network

/// All-gather and reduce-scatter by NCCL's PAT (parallel aggregated trees), for one rank a node: it
/// trades bandwidth for latency that grows with the logarithm of the nodes.
///
///     latency = base + floor(log2 N) a_across / 3.5 + 2.8 us n
///     rate    = 0.75 bus
///
/// NVIDIA/nccl v2.30.7 src/graph/tuning.cc; the three figures are the library's.
#pragma once

#include "sim/network/affine_time.h"
#include "sim/network/channel_graph.h"

namespace ridgeline::network {

/// O(1).
AffineTime PatTime(const ChannelGraph& graph, const GroupLinks& links);

}  // namespace ridgeline::network

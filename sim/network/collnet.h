/// Collectives that the fabric's switches add up (NCCL's CollNet, on InfiniBand SHARP): every GPU
/// at its own port (Direct), or a chain through the node to one GPU (Chain).
///
///     Direct: latency = base + 2 (min(1, g-1) a_inside + 0.4 us (g-1)) + a_across
///             rate    = bus / f / 2 x share,  f = g / channels,  f -= (f - 1)/2
///             gathers: g min(a channel inside, 0.9 of one across), where every GPU has a port
///     Chain:  latency = base + 2 (g-1) a_inside + a_across;  rate = bus / 2
///
/// with one channel a network port; NVIDIA/nccl v2.30.7 src/graph/tuning.cc.
#pragma once

#include "base/operation.h"
#include "sim/network/affine_time.h"
#include "sim/network/channel_graph.h"

namespace ridgeline::network {

/// Requires more than one node. O(1).
AffineTime CollNetDirectTime(CollectiveKind kind, const ChannelGraph& ports,
                             const GroupLinks& links);
AffineTime CollNetChainTime(const ChannelGraph& ports, const GroupLinks& links);

}  // namespace ridgeline::network

/// Times of collectives on trees, in the alpha-beta model.
///
/// All-reduce: NCCL's double binary tree over nodes with a chain inside each (Sanders, Speck and
/// Traeff 2009). Data goes up and down in chunks, so latency counts once each way and the buffer
/// passes every rank's link about twice:
///
///     time = base + 2 ((g - 1) a_inside + floor(log2 N) a_across) + 2 S / B
///
/// with B as in ring.h. All-gather and reduce-scatter: NCCL's PAT (parallel aggregated trees), for
/// one rank a node, which trades bandwidth for logarithmic latency:
///
///     time = base + floor(log2 N) a_across / 3.5 + 2.8 us n + (n - 1)/n S / B
///
/// Both from NVIDIA/nccl v2.30.7 src/graph/tuning.cc; the shares of B that NCCL gives them are the
/// caller's (protocol.h). Zero for one rank, O(1), monotone in `size`.
#pragma once

#include "base/units.h"
#include "sim/network/group_shape.h"
#include "sim/network/hop.h"

namespace ridgeline::network {

/// Steps of the aggregated trees that one network latency covers, and what each rank adds.
inline constexpr double kAggregatedStepsPerLatency = 3.5;
inline constexpr Seconds kAggregatedPerRank = Microseconds(2.8);

Seconds TreeAllReduceTime(const GroupShape& shape, Bytes size, const GroupHops& hops);

/// Of all-gather or reduce-scatter. Only for one rank a node.
Seconds AggregatedTreesTime(const GroupShape& shape, Bytes size, const GroupHops& hops);

}  // namespace ridgeline::network

/// Times of collectives on rings, in the alpha-beta model.
///
/// A ring of n ranks cuts the buffer in n chunks. Reduce-scatter and all-gather take n - 1 steps of
/// one chunk, all-reduce both after one another; every rank sends (n - 1)/n of the buffer, or twice
/// that, which no algorithm without help from switches beats (Patarasuk and Yuan 2009). The ring
/// goes round each node before it leaves it, so of the n - 1 steps of one turn N - 1 cross nodes.
/// NCCL runs one ring per NIC side by side, each leaving a node through another one: together they
/// have g NIC shares at a node's border.
///
///     time = base + (steps - crossing) a_inside + crossing a_across + steps (S / n) / B
///     B    = min(B_inside, g B_across)        (B_inside on one node, B_across with one rank a
///     node)
///
/// Steps as NVIDIA/nccl v2.30.7 src/graph/tuning.cc counts them. `size` is the full buffer, as
/// nccl-tests counts it. All are zero for one rank, O(1), monotone in `size`.
#pragma once

#include "base/units.h"
#include "sim/network/group_shape.h"
#include "sim/network/hop.h"

namespace ridgeline::network {

/// B of the formula above.
BytesPerSecond RingBandwidth(const GroupShape& shape, const GroupHops& hops);

Seconds RingAllReduceTime(const GroupShape& shape, Bytes size, const GroupHops& hops);
Seconds RingAllGatherTime(const GroupShape& shape, Bytes size, const GroupHops& hops);
/// As all-gather backwards.
Seconds RingReduceScatterTime(const GroupShape& shape, Bytes size, const GroupHops& hops);
/// Pipelined: the whole buffer passes every rank once, behind one latency a hop.
Seconds RingBroadcastTime(const GroupShape& shape, Bytes size, const GroupHops& hops);

}  // namespace ridgeline::network

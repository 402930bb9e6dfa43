/// All-to-all and point-to-point, in the alpha-beta model.
///
/// Each rank's send buffer S holds one part for every rank. (g - 1)/n of it stays in the node and
/// (n - g)/n leaves it through the rank's share of the NICs; both go on at once:
///
///     time = base + ceil((n - 1) / 8) a + max((g - 1)/n S / B_inside, (n - g)/n S / B_across)
///
/// NCCL runs eight exchanges at a time (v2.30.7 src/enqueue.cc), hence the latency; a is a_across
/// as soon as the group leaves a node. Bandwidth per GPU tends to B_across N/(N - 1) in bus terms,
/// as NVIDIA's engineers give it (nccl-tests issues 130 and 267). Zero for one rank, O(1),
/// monotone.
#pragma once

#include "base/units.h"
#include "sim/network/group_shape.h"
#include "sim/network/hop.h"

namespace ridgeline::network {

Seconds AllToAllTime(const GroupShape& shape, Bytes size, const GroupHops& hops);

/// One message from a rank to another, in the same node or not as the shape of the pair says.
Seconds SendTime(const GroupShape& shape, Bytes size, const GroupHops& hops);

}  // namespace ridgeline::network

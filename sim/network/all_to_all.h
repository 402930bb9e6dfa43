/// All-to-all and point-to-point, which NCCL does by sends and receives.
///
/// Each rank's send buffer S holds one part for every rank. (g - 1)/n of it stays in the node and
/// (n - g)/n leaves it through the rank's share of the NICs; both go on at once, eight exchanges at
/// a time (NVIDIA/nccl v2.30.7 src/enqueue.cc):
///
///     latency = base + ceil((n - 1) / 8) a
///     S/rate  = max(inside S / B_inside, (n - g)/n S / B_across)
///
/// a is that of a step between nodes as soon as the group leaves a node. With PXN a part for
/// another rail first goes over NVLink to the GPU that owns that rail: a step inside is added, and
/// NVLink carries (g - 1)/g of S instead of (g - 1)/n. Without, on a fabric of rails, such parts
/// pass the spines and pay their latency. Bandwidth per GPU tends to B_across N/(N - 1) in bus
/// terms, as NVIDIA's engineers give it (nccl-tests issues 130 and 267).
#pragma once

#include "base/operation.h"
#include "sim/network/affine_time.h"
#include "sim/network/group_links.h"

namespace ridgeline::network {

/// Requires two ranks or more and a protocol that the library has for sends. O(1).
AffineTime AllToAllTime(CollectiveProtocol protocol, const GroupLinks& links);

/// One message from a rank to another, in the same node or not as the shape of the pair says; over
/// nodes both are of one rail.
AffineTime SendTime(CollectiveProtocol protocol, const GroupLinks& links);

}  // namespace ridgeline::network

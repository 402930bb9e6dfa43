/// The all-reduces that serving engines write for small buffers on one node, where NCCL's start
/// dominates: every rank reads its peers' buffers over NVLink, one kernel, no steps.
///
///     one-shot: latency, (n - 1) S / B          every rank adds all buffers
///     two-shot: latency, 2 (n - 1)/n S / B      each rank adds a part; all read the parts
///
/// Latencies and shares of NVLink are the library's `custom_all_reduce`, with their source.
#pragma once

#include "sim/network/affine_time.h"
#include "sim/network/group_links.h"

namespace ridgeline::network {

/// Requires two ranks or more on one node. O(1).
AffineTime OneShotTime(const GroupLinks& links);
AffineTime TwoShotTime(const GroupLinks& links);

}  // namespace ridgeline::network

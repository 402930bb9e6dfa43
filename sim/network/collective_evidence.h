/// How well a closed form's answer is known, from what its corrections were fitted to
/// (configs/collectives, `corrections`). In the tables below the first row that fits counts.
///
/// Inside a node:
/// | the library's model without a correction, or no NVSwitch | analytic |
/// | a GPU of `measured_on`; a sum, gather or all-to-all of 512 B to 512 MiB among 2 to 8 ranks, as
/// | the library (or an engine, its own) would do it | interpolated |
/// | a GPU of `measured_on`, or another of the generation `reference` | extrapolated |
/// | any other GPU | analytic |
///
/// Over nodes: extrapolated where there is a correction, the generation is `reference` and each GPU
/// has a network port of 400 Gb/s, as in the published rows; else analytic.
///
/// A GPU whose description a scenario changes is another one.
#pragma once

#include <string_view>

#include "base/evidence.h"
#include "base/operation.h"
#include "sim/network/group_links.h"

namespace ridgeline::network {

/// Of a collective done in `algorithm` by GPUs of this name (configs/gpus). O(measured GPUs).
Evidence EvidenceOf(const Collective& collective, CollectiveAlgorithm algorithm, bool is_corrected,
                    std::string_view gpu, const GroupLinks& links);

}  // namespace ridgeline::network

/// What flows make of collectives that were measured at once on two GPUs of a node.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "hardware/cluster.h"
#include "planner/validation/network_rows.h"
#include "planner/validation/network_suite.h"

namespace ridgeline::validation {

/// Every operation of a mix runs back to back, as it was measured: each begins when its last one
/// has ended, after its plan's latency and ramp, with as many bytes as take the plan's wire alone.
/// A row for each different operation of a mix of several, whose base is the same operation alone
/// at the same size; mixes without one are left out. Nothing is fitted. Errors: those of the fabric
/// and of the runner.
Result<std::vector<SharingRow>> PredictSharing(const std::vector<MeasuredMix>& mixes,
                                               const hardware::Cluster& cluster, const Stop& stop);

}  // namespace ridgeline::validation

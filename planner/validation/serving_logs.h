/// A suite of measured serving logs: fits the step time of each run to its first requests and
/// scores the simulated scheduler on the rest.
#pragma once

#include <vector>

#include "base/stop.h"
#include "planner/validation/measured_serving.h"
#include "planner/validation/validation_report.h"

namespace ridgeline::validation {

/// Metrics of a run: ttft and e2el, mean and p99, in seconds, over the requests that the fit did
/// not see. A range is the prediction give or take the fit's residual. The constants are told as
/// factors. A run that is too short, or does not simulate, is a case with its reason.
SuiteOutcome EvaluateServingLogs(const ServingLogs& logs, const Stop& stop,
                                 std::vector<sim::Assumption>& factors);

}  // namespace ridgeline::validation

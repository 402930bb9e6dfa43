/// Replicas of a serving engine answering a load: event-driven, request by request and iteration by
/// iteration; runs of equal decode steps are taken at once (fast-forward) with the same result.
#pragma once

#include "base/result.h"
#include "sim/report.h"
#include "sim/scenario.h"
#include "sim/simulate.h"

namespace ridgeline::serving {

Result<sim::Report> SimulateServing(const sim::Scenario& scenario, const sim::RunOptions& options);

}  // namespace ridgeline::serving

/// One prefill or decode pass: its time by cause, and the tokens it yields a second.
#pragma once

#include "base/result.h"
#include "sim/report.h"
#include "sim/scenario.h"
#include "sim/simulate.h"

namespace ridgeline::forward {

/// Metrics: pass_time (s), tokens_per_second, memory.*, time.* by cause.
Result<sim::Report> SimulateForward(const sim::Scenario& scenario, const sim::RunOptions& options);

}  // namespace ridgeline::forward

/// Items of traffic that share one cluster's network: what each takes, and what it would take
/// alone.
#pragma once

#include "base/result.h"
#include "sim/report.h"
#include "sim/scenario.h"
#include "sim/simulate.h"

namespace ridgeline::traffic {

/// `analytic` knows no sharing: every item as if it were alone, and a warning says so. `flow` and
/// `simgrid` run all items' flows together. Errors: those of the fabric and of the runner.
Result<sim::Report> SimulateTraffic(const sim::Scenario& scenario, const sim::RunOptions& options);

}  // namespace ridgeline::traffic

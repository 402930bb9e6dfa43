/// One training step, simulated: time with its range and causes, throughput, utilisation, memory.
#pragma once

#include "base/result.h"
#include "sim/report.h"
#include "sim/scenario.h"
#include "sim/simulate.h"

namespace ridgeline::training {

Result<sim::Report> SimulateTraining(const sim::Scenario& scenario, const sim::RunOptions& options);

}  // namespace ridgeline::training

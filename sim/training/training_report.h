/// From a simulated step to the report: the metric names of the contract, each with its range.
#pragma once

#include <array>
#include <vector>

#include "sim/compute/operation_time.h"
#include "sim/report.h"
#include "sim/scenario.h"
#include "sim/training/stage_costs.h"
#include "sim/training/training_memory.h"

namespace ridgeline::training {

/// A step at one end of its range or at the mean.
struct StepResult {
  engine::Picoseconds makespan = 0;
  std::vector<CauseTimes> by_rank;
  CauseTimes critical_path = {};  // adds up to the makespan (critical_path.h)
};

struct StepResults {
  std::array<StepResult, 3> at;  // by Bound
  const StepResult& operator[](Bound bound) const { return at[static_cast<size_t>(bound)]; }
};

sim::Report WriteReport(const sim::Scenario& scenario, const compute::OperationTime& time,
                        const StageCosts& stages, const std::vector<MemoryUse>& memory,
                        const StepResults& step);

}  // namespace ridgeline::training

/// The step as a Chrome trace: a process a pipeline rank, a track a stream, memory as a counter.
#pragma once

#include <iosfwd>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "sim/scenario.h"
#include "sim/training/stage_costs.h"
#include "sim/training/step_program.h"
#include "sim/training/training_memory.h"

namespace ridgeline::training {

/// A slice an operation, or a layer when that would be more than kMaxSlices.
inline constexpr size_t kMaxSlices = 2'000'000;
/// Tasks an operation, or a layer when those would be too many.
Detail TraceDetail(const sim::TrainingScenario& training, const StageCosts& stages);
Status WriteStepTrace(const sim::TrainingScenario& training, const StageCosts& stages,
                      const EpilogueCosts& epilogue, const std::vector<MemoryUse>& memory,
                      const Stop& stop, std::ostream& out);

}  // namespace ridgeline::training

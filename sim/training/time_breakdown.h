/// Books every picosecond of every rank's step under one cause (INV-7): what its compute stream
/// did, and, where it waited, what for. A wait is exposed communication while the transfer that it
/// waited for was under way, host time where nothing but the host's issuing of the next task was
/// waited for any more, and pipeline bubble otherwise. The sum over causes and ranks is
/// ranks x makespan, exactly.
#pragma once

#include <vector>

#include "sim/engine/program.h"
#include "sim/training/step_program.h"

namespace ridgeline::training {

/// By rank. `bound` says which durations the timeline was run with.
std::vector<CauseTimes> BookTime(const StepProgram& step, const engine::Timeline& timeline,
                                 Bound bound);

}  // namespace ridgeline::training

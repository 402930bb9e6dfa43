/// The longest chain through an executed step: the tasks that its end waited for, one after the
/// other from the first instant to the last. Making anything else shorter leaves the step as long
/// as it is.
///
/// From the task that ends last the chain goes to what the task began right after: the task before
/// it on its stream, or one that it depends on, whichever ended at that instant (the stream's own
/// first, then the first named dependency; ties are all equally critical and one is shown). Both
/// executors begin a task when the last of these ends, so that the chain has no gaps and its tasks
/// last, together, exactly the makespan. O(tasks + dependencies).
#pragma once

#include <vector>

#include "sim/engine/program.h"
#include "sim/training/step_program.h"

namespace ridgeline::training {

/// First to last. Empty for an empty program.
std::vector<engine::TaskIndex> CriticalPath(const engine::Program& program,
                                            const engine::Timeline& timeline);

/// What the chain's tasks spend their time on; adds up to the makespan, exactly. `bound` says which
/// durations the timeline was run with.
CauseTimes CriticalPathByCause(const StepProgram& step, const engine::Timeline& timeline,
                               Bound bound);

}  // namespace ridgeline::training

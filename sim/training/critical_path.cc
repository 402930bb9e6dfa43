#include "sim/training/critical_path.h"

#include <algorithm>

#include "base/check.h"

namespace ridgeline::training {
namespace {

using engine::kNoTask;
using engine::TaskIndex;

/// By task: the one before it on its stream.
std::vector<TaskIndex> PreviousOnStream(const engine::Program& program) {
  std::vector<TaskIndex> last(program.num_streams(), kNoTask);
  std::vector<TaskIndex> previous(program.num_tasks(), kNoTask);
  for (TaskIndex task = 0; task < program.num_tasks(); ++task) {
    TaskIndex& last_of_stream = last[program.task_streams()[task]];
    previous[task] = last_of_stream;
    last_of_stream = task;
  }
  return previous;
}

}  // namespace

std::vector<TaskIndex> CriticalPath(const engine::Program& program,
                                    const engine::Timeline& timeline) {
  std::vector<TaskIndex> chain;
  if (program.num_tasks() == 0) {
    return chain;
  }
  const std::vector<TaskIndex> previous = PreviousOnStream(program);
  auto task = static_cast<TaskIndex>(std::ranges::max_element(timeline.end) - timeline.end.begin());
  while (true) {
    chain.push_back(task);
    const engine::Picoseconds begin = timeline.begin[task];
    if (begin == 0) {
      break;
    }
    TaskIndex before = previous[task];
    if (before == kNoTask || timeline.end[before] != begin) {
      const auto dependencies = program.dependencies(task);
      const auto held = std::ranges::find_if(
          dependencies, [&](TaskIndex other) { return timeline.end[other] == begin; });
      CHECK(held != dependencies.end(), "task {} began at {} ps after nothing", task, begin);
      before = *held;
    }
    task = before;
  }
  std::ranges::reverse(chain);
  return chain;
}

CauseTimes CriticalPathByCause(const StepProgram& step, const engine::Timeline& timeline,
                               Bound bound) {
  CauseTimes times;
  for (const TaskIndex task : CriticalPath(step.program, timeline)) {
    const engine::LabelIndex label = step.program.task_labels()[task];
    const CauseTimes& causes = step.label_causes[label].at.at(static_cast<size_t>(bound));
    const engine::Picoseconds span = timeline.end[task] - timeline.begin[task];
    // A label knows what its tasks on a compute stream spend; a host's tasks share one and differ.
    if (causes.total() == span) {
      times += causes;
    } else {
      times[static_cast<Cause>(step.program.labels()[label].cause)] += span;
    }
  }
  CHECK(times.total() == timeline.makespan, "a critical path of {} ps through {}", times.total(),
        timeline.makespan);
  return times;
}

}  // namespace ridgeline::training

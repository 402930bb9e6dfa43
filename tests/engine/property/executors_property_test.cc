// INV-2, INV-6 and the equality of the two executors, on random programs.
#include <algorithm>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "sim/engine/event_engine.h"
#include "sim/engine/static_sweep.h"

namespace ridgeline::engine {
namespace {

// Streams on a few ranks; durations often zero or equal, so that instants coincide; now and then a
// joint task.
Program AnyProgram() {
  Program program;
  const auto num_streams = *rc::gen::inRange<uint32_t>(1, 12);
  const auto num_ranks = *rc::gen::inRange<uint32_t>(1, 5);
  for (uint32_t s = 0; s < num_streams; ++s) {
    program.AddStream(s % num_ranks, "stream");
  }
  const LabelIndex label = program.AddLabel("task", 0);
  const auto steps = *rc::gen::container<std::vector<std::vector<uint32_t>>>(
      rc::gen::container<std::vector<uint32_t>>(rc::gen::arbitrary<uint32_t>()));
  for (const std::vector<uint32_t>& step : steps) {
    const auto number = [&step](size_t i) { return i < step.size() ? step[i] : 0u; };
    const Picoseconds duration = number(0) % 3 == 0 ? number(1) % 4 : number(1) % 100'000;
    std::vector<TaskIndex> dependencies;
    for (size_t i = 3; i < std::min<size_t>(step.size(), 6) && program.num_tasks() > 0; ++i) {
      dependencies.push_back(static_cast<TaskIndex>(step[i] % program.num_tasks()));
    }
    const StreamIndex stream = number(2) % num_streams;
    if (step.size() == 7 && stream + 2 < num_streams) {
      const std::vector<StreamIndex> streams = {stream, stream + 1, stream + 2};
      program.AddJoint(streams, duration, label, dependencies);
    } else {
      program.AddTask(stream, duration, label, dependencies);
    }
  }
  return program;
}

// Rates that depend on who runs, in no regular way, but on nothing else.
class AnyRates : public RateModel {
 public:
  explicit AnyRates(uint64_t seed) : seed_(seed) {}
  void SetRates(uint32_t rank, std::span<const TaskIndex> running,
                std::span<double> rates) override {
    uint64_t hash = seed_ + rank;
    for (const TaskIndex task : running) {
      hash = (hash ^ task) * 0x9e3779b97f4a7c15u;
    }
    for (double& rate : rates) {
      hash = hash * 6364136223846793005u + 1442695040888963407u;
      rate = running.size() == 1 ? 1.0 : 0.01 + 0.99 * static_cast<double>(hash >> 40) * 0x1p-24;
    }
  }

 private:
  uint64_t seed_;
};

class ClockWatch : public Observer {
 public:
  void OnBegin(TaskIndex, Picoseconds at) override { Look(at); }
  void OnEnd(TaskIndex, Picoseconds at) override { Look(at); }
  void OnCounter(StreamIndex, Picoseconds at, double) override { Look(at); }

 private:
  void Look(Picoseconds at) {
    RC_ASSERT(at >= last_);
    last_ = at;
  }
  Picoseconds last_ = 0;
};

// What any schedule must keep: order of streams, dependencies, durations as a lower bound.
void CheckLegal(const Program& program, const Timeline& timeline) {
  std::vector<Picoseconds> free(program.num_streams(), 0);
  Picoseconds last = 0;
  for (TaskIndex task = 0; task < program.num_tasks(); ++task) {
    Picoseconds ready = free[program.task_streams()[task]];
    for (const TaskIndex dependency : program.dependencies(task)) {
      ready = std::max(ready, timeline.end[dependency]);
    }
    RC_ASSERT(timeline.begin[task] == ready);
    RC_ASSERT(timeline.end[task] - timeline.begin[task] >= program.durations()[task]);
    free[program.task_streams()[task]] = timeline.end[task];
    last = std::max(last, timeline.end[task]);
  }
  RC_ASSERT(timeline.makespan == last);
}

RC_GTEST_PROP(ExecutorsProperty, BothGiveTheSameTimesToThePicosecond, ()) {
  const Program program = AnyProgram();
  const Timeline swept = StaticSweep(program);
  CheckLegal(program, swept);
  ClockWatch watch;
  const Timeline executed = ExecuteEvents(program, {.observer = &watch}).value();
  RC_ASSERT(executed.begin == swept.begin);
  RC_ASSERT(executed.end == swept.end);
  RC_ASSERT(executed.makespan == swept.makespan);
  RC_ASSERT(StaticSweeper().Makespan(program) == swept.makespan);
}

RC_GTEST_PROP(ExecutorsProperty, ARateModelThatSlowsNothingChangesNothing, ()) {
  class FullSpeed : public RateModel {
    void SetRates(uint32_t, std::span<const TaskIndex>, std::span<double>) override {}
  } rates;
  const Program program = AnyProgram();
  const Timeline swept = StaticSweep(program);
  const Timeline executed = ExecuteEvents(program, {.rates = &rates}).value();
  RC_ASSERT(executed.begin == swept.begin);
  RC_ASSERT(executed.end == swept.end);
}

RC_GTEST_PROP(ExecutorsProperty, RatesOnlyLengthen, ()) {
  const Program program = AnyProgram();
  AnyRates rates(*rc::gen::arbitrary<uint64_t>());
  ClockWatch watch;
  const Timeline executed = ExecuteEvents(program, {.rates = &rates, .observer = &watch}).value();
  CheckLegal(program, executed);
  const Timeline swept = StaticSweep(program);
  for (TaskIndex task = 0; task < program.num_tasks(); ++task) {
    RC_ASSERT(executed.end[task] >= swept.end[task]);
  }
}

RC_GTEST_PROP(ExecutorsProperty, RunsRepeat, ()) {
  const Program program = AnyProgram();
  AnyRates rates(*rc::gen::arbitrary<uint64_t>());
  EventEngine engine;
  Timeline first, second;
  RC_ASSERT(engine.Run(program, {.rates = &rates}, first).has_value());
  RC_ASSERT(engine.Run(program, {}, second).has_value());  // nothing is left over from another run
  RC_ASSERT(second.end == StaticSweep(program).end);
  RC_ASSERT(engine.Run(program, {.rates = &rates}, second).has_value());
  RC_ASSERT(first.begin == second.begin);
  RC_ASSERT(first.end == second.end);
}

// INV-6: the longest chain of dependencies (streams left out) and the busiest stream bound it.
RC_GTEST_PROP(ExecutorsProperty, NoScheduleBeatsItsCriticalPathNorItsBusiestStream, ()) {
  const Program program = AnyProgram();
  std::vector<Picoseconds> chain(program.num_tasks());
  std::vector<Picoseconds> busy(program.num_streams());
  const Picoseconds makespan = StaticSweep(program).makespan;
  for (TaskIndex task = 0; task < program.num_tasks(); ++task) {
    for (const TaskIndex dependency : program.dependencies(task)) {
      chain[task] = std::max(chain[task], chain[dependency]);
    }
    chain[task] += program.durations()[task];
    busy[program.task_streams()[task]] += program.durations()[task];
    RC_ASSERT(makespan >= chain[task]);
    RC_ASSERT(makespan >= busy[program.task_streams()[task]]);
  }
}

}  // namespace
}  // namespace ridgeline::engine

// Events a second of the event-driven engine, preparation of the run included. Without rates the
// answer is checked against the static sweep, with rates against what the rates must give.
#include <algorithm>
#include <cstdint>

#include <benchmark/benchmark.h>

#include "sim/engine/event_engine.h"
#include "sim/engine/static_sweep.h"
#include "tests/bench/bench_program.h"

namespace ridgeline::engine {
namespace {

constexpr uint32_t kNumTasks = 10'000'000;

Program ProgramOf(const benchmark::State& state, uint32_t num_tasks) {
  return MakeBenchProgram(num_tasks, static_cast<uint32_t>(state.range(0)),
                          state.range(1) == 0 ? Locality::kPipeline : Locality::kRandom);
}

void Events(benchmark::State& state) {
  const Program program = ProgramOf(state, kNumTasks);
  const Timeline expected = StaticSweep(program);
  EventEngine engine;
  Timeline timeline;
  bool is_done = engine.Run(program, {}, timeline).has_value();  // warms the buffers
  for (auto _ : state) {
    is_done = is_done && engine.Run(program, {}, timeline).has_value();
  }
  if (!is_done || timeline.end != expected.end || timeline.begin != expected.begin) {
    state.SkipWithError("the times are not the static sweep's");
  }
  state.SetItemsProcessed(static_cast<int64_t>(engine.num_events()) * state.iterations());
}

// Two tasks or more on a rank go at half speed.
class HalfSpeedTogether : public RateModel {
 public:
  void SetRates(uint32_t, std::span<const TaskIndex> running, std::span<double> rates) override {
    std::fill(rates.begin(), rates.end(), running.size() > 1 ? 0.5 : 1.0);
  }
};

void EventsWithRates(benchmark::State& state) {
  constexpr uint32_t kFewer = 2'000'000;
  const Program program = ProgramOf(state, kFewer);
  const Timeline bound = StaticSweep(program);
  EventEngine engine;
  HalfSpeedTogether rates;
  Timeline timeline;
  bool is_done = true;
  for (auto _ : state) {
    is_done = is_done && engine.Run(program, {.rates = &rates}, timeline).has_value();
  }
  // Nothing is faster than at full speed, nothing slower than at half.
  if (!is_done || timeline.makespan < bound.makespan || timeline.makespan > 2 * bound.makespan) {
    state.SkipWithError("the makespan is outside the bounds that the rates give");
  }
  state.SetItemsProcessed(static_cast<int64_t>(engine.num_events()) * state.iterations());
  state.counters["events_per_task"] = static_cast<double>(engine.num_events()) / kFewer;
}

#define RIDGELINE_CASES                          \
  ArgNames({"streams", "random"})                \
      ->ArgsProduct({{64, 1024, 65536}, {0, 1}}) \
      ->Unit(benchmark::kMillisecond)
BENCHMARK(Events)->RIDGELINE_CASES;
BENCHMARK(EventsWithRates)->RIDGELINE_CASES;

}  // namespace
}  // namespace ridgeline::engine

BENCHMARK_MAIN();

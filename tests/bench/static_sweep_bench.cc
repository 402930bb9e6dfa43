// Tasks a second of the static sweep. The answer is checked against the event-driven engine.
#include <cstdint>

#include <benchmark/benchmark.h>

#include "sim/engine/event_engine.h"
#include "sim/engine/static_sweep.h"
#include "tests/bench/bench_program.h"

namespace ridgeline::engine {
namespace {

constexpr uint32_t kNumTasks = 10'000'000;

Program ProgramOf(const benchmark::State& state) {
  return MakeBenchProgram(kNumTasks, static_cast<uint32_t>(state.range(0)),
                          state.range(1) == 0 ? Locality::kPipeline : Locality::kRandom);
}

void Makespan(benchmark::State& state) {
  const Program program = ProgramOf(state);
  const Result<Timeline> expected = ExecuteEvents(program);
  StaticSweeper sweeper;
  Picoseconds makespan = sweeper.Makespan(program);  // warms the buffers
  for (auto _ : state) {
    makespan = sweeper.Makespan(program);
    benchmark::DoNotOptimize(makespan);
  }
  if (!expected || makespan != expected->makespan) {
    state.SkipWithError("the makespan is not the event-driven engine's");
  }
  state.SetItemsProcessed(state.iterations() * kNumTasks);
}

void WholeTimeline(benchmark::State& state) {
  const Program program = ProgramOf(state);
  const Result<Timeline> expected = ExecuteEvents(program);
  StaticSweeper sweeper;
  Timeline timeline;
  sweeper.Run(program, timeline);
  for (auto _ : state) {
    sweeper.Run(program, timeline);
    benchmark::DoNotOptimize(timeline.makespan);
  }
  if (!expected || timeline.end != expected->end || timeline.begin != expected->begin) {
    state.SkipWithError("the times are not the event-driven engine's");
  }
  state.SetItemsProcessed(state.iterations() * kNumTasks);
}

#define RIDGELINE_CASES                          \
  ArgNames({"streams", "random"})                \
      ->ArgsProduct({{64, 1024, 65536}, {0, 1}}) \
      ->Unit(benchmark::kMillisecond)
BENCHMARK(Makespan)->RIDGELINE_CASES;
BENCHMARK(WholeTimeline)->RIDGELINE_CASES;

}  // namespace
}  // namespace ridgeline::engine

BENCHMARK_MAIN();

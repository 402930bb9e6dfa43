// Candidates a second of a training plan, on one core: evaluations of legal candidates that fit,
// screenings (costs cached), and whole plans. Answers are checked against the static sweep of the
// program that `simulate` builds, and a plan's answer against that of other threads.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/diagnostic.h"
#include "planner/evaluate.h"
#include "planner/plan.h"
#include "sim/engine/static_sweep.h"
#include "sim/scenario.h"

namespace ridgeline::planner {
namespace {

/// A shipped plan, up to the evaluation of its candidates.
struct Prepared {
  hardware::Catalog catalog{{RIDGELINE_SOURCE_DIR "/configs"}};
  Node document;
  TrainingSpace space;
  LegalPoints legal;
  std::vector<size_t> fitting;
};

template <class T>
T Must(Result<T> result) {
  CHECK(result.has_value(), "{}", result ? "" : RenderError(result.error()));
  return *std::move(result);
}

Prepared Prepare(int64_t which) {
  const std::string name = which == 0 ? "llama-3.1-70b-64xh100" : "llama-3.1-405b-16384xh100";
  Prepared prepared;
  prepared.document = Must(
      sim::ReadScenarioFiles({RIDGELINE_SOURCE_DIR "/configs/plans/" + name + "-plan.yaml"}, {}));
  prepared.space = Must(ReadTrainingSpace(prepared.document, prepared.catalog));
  prepared.legal = Must(FindLegalPoints(prepared.space, {}));
  return prepared;
}

/// The makespan of the program that `simulate` builds.
engine::Picoseconds Swept(const Prepared& prepared, const TrainingCosts& costs, size_t point) {
  sim::TrainingScenario scenario = prepared.space.training();
  ApplyPoint(prepared.space, prepared.legal.points[point], scenario);
  const auto stages = Must(training::CostStages(scenario, costs.time()));
  const auto epilogue = Must(training::CostEpilogue(scenario, stages, costs.time()));
  const auto step = Must(
      training::BuildStepProgram(scenario, stages, epilogue, training::Detail::kSlots, Stop()));
  return engine::StaticSweep(step.program).makespan;
}

void Evaluate(benchmark::State& state) {
  Prepared prepared = Prepare(state.range(0));
  const std::vector<TrainingPoint>& points = prepared.legal.points;
  const TrainingCosts costs = Must(TrainingCosts::Of(prepared.space, points, 1, {}));
  TrainingEvaluator evaluator(prepared.space, points, costs);
  for (size_t point = 0; point < points.size(); ++point) {
    if (Must(evaluator.Screen(point)).fits_memory) {
      prepared.fitting.push_back(point);
    }
  }
  std::vector<engine::Picoseconds> steps(prepared.fitting.size());
  for (auto _ : state) {
    for (size_t i = 0; i < steps.size(); ++i) {
      steps[i] = Must(evaluator.StepTime(prepared.fitting[i], {}));
    }
  }
  for (size_t i = 0; i < steps.size(); i += 16) {
    if (steps[i] != Swept(prepared, costs, prepared.fitting[i])) {
      state.SkipWithError("a step is not that of the program");
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(steps.size()));
}

void Screen(benchmark::State& state) {
  const Prepared prepared = Prepare(state.range(0));
  const std::vector<TrainingPoint>& points = prepared.legal.points;
  const TrainingCosts costs = Must(TrainingCosts::Of(prepared.space, points, 1, {}));
  TrainingEvaluator evaluator(prepared.space, points, costs);
  for (auto _ : state) {
    for (size_t point = 0; point < points.size(); ++point) {
      benchmark::DoNotOptimize(Must(evaluator.Screen(point)).facts.makespan);
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(points.size()));
}

/// From the document to the answer, its reports included; items are all candidates of the space.
void WholePlan(benchmark::State& state) {
  const Prepared prepared = Prepare(state.range(0));
  PlanOptions options;
  options.jobs = 2;
  const Plan expected = Must(MakePlan(prepared.document, prepared.catalog, options));
  options.jobs = 1;
  for (auto _ : state) {
    const Plan plan = Must(MakePlan(prepared.document, prepared.catalog, options));
    if (plan.counts != expected.counts || plan.floor != expected.floor || plan.gap != 0) {
      state.SkipWithError("the answer depends on the threads");
    }
  }
  state.SetItemsProcessed(state.iterations() * expected.counts.considered);
}

// 0: Llama-3.1-70B on 64 H100; 1: Llama-3.1-405B on 16,384.
BENCHMARK(Evaluate)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(Screen)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(WholePlan)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ridgeline::planner

BENCHMARK_MAIN();

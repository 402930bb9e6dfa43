// One step of Llama-3.1-405B on 16,384 GPUs with every rank simulated for itself, on one core.
// Budget: 20 s and 8 GiB. Healthy ranks are checked against the static sweep of the program that
// `simulate` builds, one slow GPU against that of one pipeline with a slow stage.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include "base/check.h"
#include "base/diagnostic.h"
#include "sim/engine/static_sweep.h"
#include "sim/scenario.h"
#include "sim/training/full_rank_step.h"
#include "sim/training/step_program.h"
#include "tests/training/full_rank_oracle.h"

namespace ridgeline::training {
namespace {

template <class T>
T Must(Result<T> result) {
  CHECK(result.has_value(), "{}", result ? "" : RenderError(result.error()));
  return *std::move(result);
}

struct Job {
  sim::Scenario scenario;
  StageCosts stages;
  EpilogueCosts epilogue;
  engine::Picoseconds symmetric = 0;
};

Job LargeJob() {
  const hardware::Catalog catalog({RIDGELINE_SOURCE_DIR "/configs"});
  const Node document = Must(sim::ReadScenarioFiles(
      {RIDGELINE_SOURCE_DIR "/configs/scenarios/llama-3.1-405b-16384xh100.yaml"}, {}));
  Job job{.scenario = Must(sim::ResolveScenario(document, catalog)),
          .stages = {},
          .epilogue = {},
          .symmetric = 0};
  const sim::TrainingScenario& training = *job.scenario.training;
  const auto time = compute::OperationTime::Of(job.scenario.cluster, Stop());
  job.stages = Must(CostStages(training, time));
  job.epilogue = Must(CostEpilogue(training, job.stages, time));
  job.symmetric = engine::StaticSweep(Must(BuildStepProgram(training, job.stages, job.epilogue,
                                                            Detail::kSlots, Stop()))
                                          .program)
                      .makespan;
  return job;
}

void SixteenThousandRanks(benchmark::State& state) {
  constexpr int64_t kSlow = 12345;
  constexpr double kFactor = 1.2;
  const Job job = LargeJob();
  const sim::TrainingScenario& training = *job.scenario.training;
  StageRanks ranks(training.layout);
  const bool has_slow = state.range(0) == 1;
  workloads::RankVariation variation = {.all = true,
                                        .speed_spread = 0,
                                        .jitter = state.range(0) == 2 ? 0.02 : 0,
                                        .slow = {},
                                        .steps = 1};
  const auto run = [&](const workloads::RankVariation& varied) {
    const RankFactors factors(varied, 1, ranks);
    StepFactors of_step(factors, 0);
    return Must(
        RunFullRankStep(training, job.stages, job.epilogue, ranks, of_step, Bound::kMean, Stop()));
  };
  const FullRankResult healthy = run({});
  if (healthy.makespan != job.symmetric) {
    state.SkipWithError("healthy ranks do not take the symmetric step");
  }
  if (has_slow) {
    variation.slow = {{.rank = kSlow, .factor = kFactor}};
  }
  FullRankResult result;
  for (auto _ : state) {
    result = run(variation);
  }
  const engine::Picoseconds cost = result.makespan - healthy.makespan;
  // Replica by replica within a stage: stages are 8·128 ranks.
  if (has_slow && result.makespan !=
                      StepWithSlowStage(training, job.stages, job.epilogue,
                                        kSlow / static_cast<int64_t>(ranks.replicas()), kFactor)) {
    state.SkipWithError("one slow GPU does not cost what a pipeline with a slow stage does");
  }
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["ranks"] = static_cast<double>(result.by_rank.size());
  state.counters["tasks"] = static_cast<double>(result.tasks);
  state.counters["cost_s"] = static_cast<double>(cost) * 1e-12;
  state.counters["peak_MiB"] = static_cast<double>(usage.ru_maxrss) / 1024;
  state.SetItemsProcessed(state.iterations() * result.tasks);
}
BENCHMARK(SixteenThousandRanks)
    ->ArgName("healthy0_slow1_jitter2")
    ->Arg(0)
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ridgeline::training

BENCHMARK_MAIN();

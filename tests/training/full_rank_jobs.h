/// Jobs for the tests of full-rank mode, costed, and their steps with ranks that differ.
#pragma once

#include <string>
#include <utility>

#include "sim/engine/static_sweep.h"
#include "sim/training/full_rank_step.h"
#include "sim/training/time_breakdown.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {

struct RankedJob {
  sim::Scenario scenario;
  StageCosts stages;
  EpilogueCosts epilogue;

  const sim::TrainingScenario& training() const { return *scenario.training; }
};

inline RankedJob CostRankedJob(sim::Scenario scenario) {
  RankedJob job{.scenario = std::move(scenario), .stages = {}, .epilogue = {}};
  const compute::OperationTime time = compute::OperationTime::Analytic(job.scenario.cluster);
  job.stages = CostStages(job.training(), time).value();
  job.epilogue = CostEpilogue(job.training(), job.stages, time).value();
  return job;
}

inline FullRankResult RunRanks(const RankedJob& job, const workloads::RankVariation& variation,
                               Bound bound = Bound::kMean, uint64_t step = 0) {
  StageRanks ranks(job.training().layout);
  const RankFactors factors(variation, job.scenario.seed, ranks);
  StepFactors of_step(factors, step);
  return RunFullRankStep(job.training(), job.stages, job.epilogue, ranks, of_step, bound, Stop())
      .value();
}

inline engine::Picoseconds ComputeOf(const CauseTimes& times) {
  return times[Cause::kMatmul] + times[Cause::kAttention] + times[Cause::kElementwise] +
         times[Cause::kRecompute] + times[Cause::kOptimizer];
}

}  // namespace ridgeline::training

#include "sim/training/full_rank.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/grouped_number.h"
#include "base/percentile.h"
#include "sim/training/full_rank_step.h"

namespace ridgeline::training {
namespace {

using engine::Picoseconds;

/// The job with one replica of each stage.
sim::TrainingScenario OneReplica(const sim::TrainingScenario& training) {
  sim::TrainingScenario one = training;
  workloads::Layout& layout = one.layout;
  layout.tp = layout.cp = layout.dp = layout.ep = layout.context_inner = 1;
  layout.etp = layout.shard = 0;
  return one;
}

/// Sums over steps, then the mean.
class Sums {
 public:
  void Add(const FullRankResult& result) {
    makespan_ += result.makespan;
    by_rank_.resize(result.by_rank.size());
    for (size_t rank = 0; rank < by_rank_.size(); ++rank) {
      by_rank_[rank] += result.by_rank[rank];
    }
  }
  StepResult Mean(int64_t steps) const {
    StepResult mean = {.makespan = makespan_ / steps, .by_rank = by_rank_};
    for (CauseTimes& times : mean.by_rank) {
      for (Picoseconds& span : times.spans) {
        span /= steps;
      }
      times[Cause::kBubble] += mean.makespan - times.total();
    }
    return mean;
  }

 private:
  Picoseconds makespan_ = 0;
  std::vector<CauseTimes> by_rank_;
};

Picoseconds ComputeOf(const CauseTimes& times) {
  return times[Cause::kMatmul] + times[Cause::kAttention] + times[Cause::kElementwise] +
         times[Cause::kRecompute] + times[Cause::kOptimizer];
}

void FindSlowest(const StageRanks& ranks, RankStudy& study) {
  const std::vector<CauseTimes>& by_rank = study.results[Bound::kMean].by_rank;
  study.slowest_factor = 0;
  for (size_t stage = 0; stage < ranks.stages(); ++stage) {
    double sum = 0;
    for (size_t replica = 0; replica < ranks.replicas(); ++replica) {
      sum += static_cast<double>(
          ComputeOf(by_rank[static_cast<size_t>(ranks.RankOf(stage, replica))]));
    }
    const double mean = sum / static_cast<double>(ranks.replicas());
    for (size_t replica = 0; replica < ranks.replicas(); ++replica) {
      const int64_t rank = ranks.RankOf(stage, replica);
      const double factor =
          mean > 0 ? static_cast<double>(ComputeOf(by_rank[static_cast<size_t>(rank)])) / mean : 1;
      if (factor > study.slowest_factor ||
          (factor == study.slowest_factor && rank < study.slowest)) {
        study.slowest = rank;
        study.slowest_factor = factor;
      }
    }
  }
}

Status CheckAgreement(const sim::Scenario& scenario, const StageCosts& stages,
                      const EpilogueCosts& epilogue, Picoseconds healthy, const Stop& stop) {
  const sim::TrainingScenario one = OneReplica(*scenario.training);
  StageRanks ranks(one.layout);
  const RankFactors factors({}, scenario.seed, ranks);
  StepFactors of_step(factors, 0);
  ASSIGN_OR_RETURN(const FullRankResult result,
                   RunFullRankStep(one, stages, epilogue, ranks, of_step, Bound::kMean, stop));
  if (result.makespan != healthy) {
    return Fail({.code = ErrorCode::kUnimplemented,
                 .message = fmt::format("every rank simulated for itself, with this job's overlap: "
                                        "one replica would take {} ps, and {} ps by the program "
                                        "of a step",
                                        Grouped(result.makespan), Grouped(healthy)),
                 .hint = "leave training.ranks out",
                 .path = "training.ranks"});
  }
  return {};
}

}  // namespace

Result<RankStudy> StudyRanks(const sim::Scenario& scenario, const StageCosts& stages,
                             const EpilogueCosts& epilogue, const StepResults& symmetric,
                             const Stop& stop) {
  const Picoseconds healthy = symmetric[Bound::kMean].makespan;
  const sim::TrainingScenario& training = *scenario.training;
  RETURN_IF_ERROR(SupportsFullRank(epilogue));
  RETURN_IF_ERROR(CheckAgreement(scenario, stages, epilogue, healthy, stop));
  StageRanks ranks(training.layout);
  const auto num_ranks = static_cast<int64_t>(ranks.stages() * ranks.replicas());
  for (const workloads::SlowRank& slow : training.ranks.slow) {
    if (slow.rank >= num_ranks) {
      return Fail({.code = ErrorCode::kInvalidArgument,
                   .message = fmt::format("there is no rank {}: the job has ranks 0 to {}",
                                          slow.rank, num_ranks - 1),
                   .hint = "name one of them",
                   .path = "training.ranks.slow"});
    }
  }
  const RankFactors factors(training.ranks, scenario.seed, ranks);
  RankStudy study;
  study.healthy = healthy;
  const int64_t steps = factors.has_jitter() ? std::max<int64_t>(1, training.ranks.steps) : 1;
  std::array<Sums, kBounds.size()> sums;
  for (int64_t step = 0; step < steps; ++step) {
    StepFactors of_step(factors, static_cast<uint64_t>(step));
    for (const Bound bound : kBounds) {
      ASSIGN_OR_RETURN(const FullRankResult result,
                       RunFullRankStep(training, stages, epilogue, ranks, of_step, bound, stop));
      sums.at(static_cast<size_t>(bound)).Add(result);
      if (bound == Bound::kMean) {
        study.steps.push_back(result.makespan);
        study.tasks = result.tasks;
      }
    }
  }
  for (const Bound bound : kBounds) {
    StepResult& result = study.results.at[static_cast<size_t>(bound)];
    result = sums.at(static_cast<size_t>(bound)).Mean(steps);
    // Slower ranks leave no single path that all replicas share.
    if (result.makespan == symmetric[bound].makespan) {
      result.critical_path = symmetric[bound].critical_path;
    }
  }
  FindSlowest(ranks, study);
  return study;
}

void AddRanks(sim::Report& report, const sim::TrainingScenario& training, const RankStudy& study) {
  const auto add = [&](std::string name, double value, std::string unit) {
    report.metrics.push_back({.name = std::move(name),
                              .value = value,
                              .unit = std::move(unit),
                              .low = value,
                              .high = value,
                              .evidence = Evidence::kAnalytic});
  };
  const auto seconds = [](Picoseconds span) { return engine::ToSeconds(span).base(); };
  const StepResult& mean = study.results[Bound::kMean];
  add("ranks.simulated", static_cast<double>(mean.by_rank.size()), "1");
  add("ranks.tasks", static_cast<double>(study.tasks), "1");
  add("ranks.straggler_cost", seconds(mean.makespan - study.healthy), "s");
  const workloads::RankVariation& variation = training.ranks;
  if (variation.speed_spread > 0 || variation.jitter > 0 || !variation.slow.empty()) {
    add("ranks.slowest", static_cast<double>(study.slowest), "1");
    add("ranks.slowest_factor", study.slowest_factor, "1");
  }
  if (study.steps.size() > 1) {
    std::vector<double> steps;
    double sum = 0;
    for (const Picoseconds step : study.steps) {
      steps.push_back(seconds(step));
      sum += steps.back();
    }
    add("step_time.steps", static_cast<double>(steps.size()), "1");
    add("step_time.mean", sum / static_cast<double>(steps.size()), "s");
    add("step_time.p50", ExactQuantile(steps, 0.5), "s");
    add("step_time.p90", ExactQuantile(steps, 0.9), "s");
    add("step_time.p99", ExactQuantile(steps, 0.99), "s");
  }
  for (size_t i = 0; i < kNumCauses; ++i) {
    const auto cause = static_cast<Cause>(i);
    Picoseconds worst = 0;
    for (const CauseTimes& times : mean.by_rank) {
      worst = std::max(worst, times[cause]);
    }
    if (worst > 0) {
      add(fmt::format("time.{}.worst", CauseName(cause)), seconds(worst), "s");
    }
  }
  report.assumptions.push_back(
      {"ranks simulated",
       fmt::format("{}, {} tasks a step", Grouped(static_cast<int64_t>(mean.by_rank.size())),
                   Grouped(study.tasks)),
       "training.ranks"});
  if (variation.speed_spread > 0) {
    report.assumptions.push_back(
        {"pace", "each GPU's own, drawn; otherwise all go at that of the slowest of so many",
         "training.ranks.speed_spread"});
  }
}

}  // namespace ridgeline::training

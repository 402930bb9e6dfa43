#include "sim/training/full_rank.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "sim/simulate.h"
#include "tests/training/full_rank_jobs.h"
#include "tests/training/full_rank_oracle.h"

namespace ridgeline::training {
namespace {

using engine::Picoseconds;
using workloads::Axis;
using workloads::Layout;
using workloads::RankAxis;
using workloads::RankVariation;

/// The groups, each as a list.
std::vector<std::vector<uint32_t>> GroupsOf(const Layout& layout, Axis axis) {
  StageRanks ranks(layout);
  const MeetingGroups& groups = ranks.Groups(axis);
  std::vector<uint32_t> replicas = groups.replicas;
  if (replicas.empty()) {
    replicas.resize(ranks.replicas());
    std::iota(replicas.begin(), replicas.end(), 0U);
  }
  std::vector<std::vector<uint32_t>> all;
  for (size_t i = 0; i < replicas.size(); i += groups.ranks) {
    all.emplace_back(replicas.begin() + static_cast<std::ptrdiff_t>(i),
                     replicas.begin() + static_cast<std::ptrdiff_t>(i + groups.ranks));
  }
  return all;
}

using Groups = std::vector<std::vector<uint32_t>>;

TEST(FullRankGroupsTest, TensorGroupsAreNeighboursAndExpertsTakeNeighboursOfData) {
  // Replica = tensor + 2·data.
  const Layout layout = {.tp = 2, .ep = 2, .dp = 4};
  EXPECT_EQ(GroupsOf(layout, Axis::kTensor), (Groups{{0, 1}, {2, 3}, {4, 5}, {6, 7}}));
  EXPECT_EQ(GroupsOf(layout, Axis::kData), (Groups{{0, 2, 4, 6}, {1, 3, 5, 7}}));
  EXPECT_EQ(GroupsOf(layout, Axis::kExpert), (Groups{{0, 2}, {4, 6}, {1, 3}, {5, 7}}));
  EXPECT_EQ(GroupsOf(layout, Axis::kExpertData), (Groups{{0, 4}, {2, 6}, {1, 5}, {3, 7}}));
}

TEST(FullRankGroupsTest, FoldedExpertsTakeRanksOfTensorGroupsToo) {
  // etp 1: of the eight ranks of a stage, four hold all experts between them.
  const Layout layout = {.tp = 2, .ep = 4, .dp = 4, .etp = 1};
  EXPECT_EQ(GroupsOf(layout, Axis::kExpert), (Groups{{0, 1, 2, 3}, {4, 5, 6, 7}}));
  EXPECT_EQ(GroupsOf(layout, Axis::kExpertData), (Groups{{0, 4}, {1, 5}, {2, 6}, {3, 7}}));
}

TEST(FullRankGroupsTest, RanksAreNumberedInTheLayoutsOrder) {
  Layout layout = {.tp = 2, .pp = 3, .dp = 4};
  // tp, dp, pp: stage 1 begins behind the eight ranks of stage 0.
  EXPECT_EQ(StageRanks(layout).RankOf(1, 5), 13);
  // pp fastest: rank = stage + 3·(tensor + 2·data); replica 5 is tensor 1, data 2.
  layout.order = {RankAxis::kPipeline, RankAxis::kTensor, RankAxis::kContext, RankAxis::kData};
  EXPECT_EQ(StageRanks(layout).RankOf(1, 5), 1 + 3 * 5);
}

TEST(FullRankVariationTest, SpeedsHaveTheGivenSpreadAndDependOnTheRankAlone) {
  const RankVariation variation = {
      .all = false, .speed_spread = 0.1, .jitter = 0.0, .slow = {}, .steps = 1};
  const StageRanks many({.tp = 8, .dp = 2048});
  const RankFactors factors(variation, 7, many);
  double sum = 0;
  double squares = 0;
  for (const double factor : factors.OfStage(0)) {
    sum += 1.0 / factor;
    squares += 1.0 / (factor * factor);
  }
  const double mean = sum / 16384;
  EXPECT_NEAR(mean, 1.0, 0.004);
  EXPECT_NEAR(std::sqrt(squares / 16384 - mean * mean), 0.1, 0.004);
  // The same rank in a smaller job.
  const StageRanks few({.tp = 8, .dp = 2});
  EXPECT_EQ(RankFactors(variation, 7, few).OfStage(0)[5], factors.OfStage(0)[5]);
  EXPECT_NE(RankFactors(variation, 8, few).OfStage(0)[5], factors.OfStage(0)[5]);
}

/// No host time; gradients reduced when all is computed.
std::string Plain(const std::string& schedule) {
  return "  schedule: " + schedule +
         "\n  sharding: ddp\n  framework: {base: megatron-core, host: {}, "
         "overlap: {gradient_reduce: false, pipeline_sends: true}}\n";
}

RankVariation OneSlow(int64_t rank, double factor) {
  return {.all = false,
          .speed_spread = 0,
          .jitter = 0,
          .slow = {{.rank = rank, .factor = factor}},
          .steps = 1};
}

TEST(FullRankTest, OneSlowGpuOfOneStageDelaysTheStepByItsOwnExtraCompute) {
  // Two GPUs, data parallel: the slow one computes for twice as long, the other waits for it where
  // gradients are reduced, and then again at the end for its update.
  const RankedJob job = CostRankedJob(MustResolve(SmallJob(1, 1, 1, 2, 4, Plain("1f1b"))));
  const FullRankResult healthy = RunRanks(job, {});
  const FullRankResult slowed = RunRanks(job, OneSlow(1, 2.0));
  const Picoseconds extra = ComputeOf(healthy.by_rank[1]);
  EXPECT_EQ(slowed.makespan, healthy.makespan + extra);
  EXPECT_EQ(slowed.by_rank[0][Cause::kStraggler], extra);
  EXPECT_EQ(slowed.by_rank[1][Cause::kStraggler], 0);
  EXPECT_EQ(healthy.by_rank[0][Cause::kStraggler], 0);
}

TEST(FullRankTest, SlowLastStageOfAPipelineDelaysTheStepByTheClosedForm) {
  const RankedJob job = CostRankedJob(MustResolve(SmallJob(1, 4, 1, 1, 8, Plain("1f1b"))));
  const FullRankResult slowed = RunRanks(job, OneSlow(3, 2.0));
  const auto pass = [&](size_t stage, workloads::SlotKind kind) {
    Picoseconds sum = 0;
    for (const size_t layer : job.stages.chunks[stage].layers) {
      sum += PassOf(job.stages.layers[layer], kind).total[Bound::kMean];
    }
    return sum;
  };
  // The first micro-batch comes up through three stages; the last stage then computes without a
  // pause, at half its speed; the last micro-batch goes down again. Stage 0 ends last, then takes
  // its norm; the slow stage's update is the longest.
  Picoseconds expected = 0;
  for (size_t stage = 0; stage < 3; ++stage) {
    expected += pass(stage, workloads::SlotKind::kForward) +
                pass(stage, workloads::SlotKind::kBackward) +
                2 * job.stages.boundary_sends[stage][Bound::kMean];
  }
  expected +=
      8 * 2 * (pass(3, workloads::SlotKind::kForward) + pass(3, workloads::SlotKind::kBackward));
  expected +=
      job.epilogue.gradient_norm[0][Bound::kMean] + job.epilogue.norm_reduction[Bound::kMean];
  Picoseconds update = 2 * job.epilogue.update[3][Bound::kMean];
  for (size_t stage = 0; stage < 3; ++stage) {
    update = std::max(update, job.epilogue.update[stage][Bound::kMean]);
  }
  EXPECT_EQ(slowed.makespan, expected + update);
}

TEST(FullRankTest, SlowStageOfOneForwardOneBackwardDelaysTheStepByTheClosedForm) {
  // Stages of two decoder layers each, sends and everything behind the last backward for nothing.
  RankedJob job = CostRankedJob(MustResolve(SmallJob(1, 4, 1, 1, 8, Plain("1f1b"))));
  const std::vector<size_t> middle = job.stages.chunks[1].layers;
  for (ChunkCosts& chunk : job.stages.chunks) {
    chunk.layers = middle;
  }
  for (auto* durations :
       {&job.stages.boundary_sends, &job.epilogue.gradient_norm, &job.epilogue.update}) {
    std::fill(durations->begin(), durations->end(), Duration{});
  }
  job.epilogue.norm_reduction = {};
  job.epilogue.tied_reduction.clear();
  const auto pass = [&](workloads::SlotKind kind, double factor) {
    Picoseconds sum = 0;
    for (const size_t layer : middle) {
      for (const CostedStep& step : PassOf(job.stages.layers[layer], kind).steps) {
        sum += ScaledBy(factor, step.duration[Bound::kMean]);
      }
    }
    return sum;
  };
  const Picoseconds forward = pass(workloads::SlotKind::kForward, 1);
  const Picoseconds both = forward + pass(workloads::SlotKind::kBackward, 1);
  EXPECT_EQ(RunRanks(job, {}).makespan, (8 + 4 - 1) * both);
  for (const double factor : {1.01, 1.2, 2.0, 5.0}) {
    const Picoseconds slow_forward = pass(workloads::SlotKind::kForward, factor);
    const Picoseconds slow_backward = pass(workloads::SlotKind::kBackward, factor);
    for (int64_t stage = 0; stage < 4; ++stage) {
      const int64_t above = 3 - stage;
      EXPECT_EQ(RunRanks(job, OneSlow(stage, factor)).makespan,
                stage * both + (8 - above) * (slow_forward + slow_backward) +
                    std::max(above * both, above * slow_forward) +
                    std::max(above * both, above * slow_backward))
          << "stage " << stage << ", factor " << factor;
    }
  }
}

/// Llama-3.1-405B as its paper trained it: tp 8, pp 16, interleaved by 4, dp 128.
TEST(FullRankTest, OneSlowGpuOfSixteenThousandCostsWhatAPipelineWithASlowStageDoes) {
  const Result<Node> document = sim::ReadScenarioFiles(
      {RIDGELINE_SOURCE_DIR "/configs/scenarios/llama-3.1-405b-16384xh100.yaml"}, {});
  ASSERT_TRUE(document.has_value()) << RenderError(document.error());
  const RankedJob job = CostRankedJob(sim::ResolveScenario(*document, ShippedCatalog()).value());
  const FullRankResult healthy = RunRanks(job, {});
  EXPECT_EQ(healthy.by_rank.size(), 16384U);
  EXPECT_GT(healthy.tasks, 50'000'000);
  EXPECT_EQ(healthy.makespan, StepWithSlowStage(job.training(), job.stages, job.epilogue, 12, 1.0));
  // Rank 12,345 is of stage 12,345 / (8·128) = 12.
  const FullRankResult slowed = RunRanks(job, OneSlow(12345, 1.2));
  EXPECT_EQ(slowed.makespan, StepWithSlowStage(job.training(), job.stages, job.epilogue, 12, 1.2));
  const auto extra =
      static_cast<Picoseconds>(0.2 * static_cast<double>(ComputeOf(healthy.by_rank[12345])));
  EXPECT_GT(slowed.makespan - healthy.makespan, extra / 2);
  EXPECT_LT(slowed.makespan - healthy.makespan, extra);
}

TEST(FullRankTest, DualPipeIsRefused) {
  const RankedJob job = CostRankedJob(MustResolve(SmallJob(1, 4, 1, 1, 8, Plain("dualpipe"))));
  StageRanks ranks(job.training().layout);
  const RankFactors factors({}, 1, ranks);
  StepFactors of_step(factors, 0);
  const Result<FullRankResult> result = RunFullRankStep(job.training(), job.stages, job.epilogue,
                                                        ranks, of_step, Bound::kMean, Stop());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kUnimplemented);
}

TEST(FullRankTest, AGroupWaitsForItsSlowRankAtEveryCollective) {
  // Only the slow one of two tensor-parallel GPUs never waits.
  const RankedJob job = CostRankedJob(MustResolve(SmallJob(2, 1, 1, 1, 2, Plain("1f1b"))));
  const FullRankResult slowed = RunRanks(job, OneSlow(0, 1.5));
  EXPECT_EQ(slowed.by_rank[0][Cause::kStraggler], 0);
  EXPECT_GT(slowed.by_rank[1][Cause::kStraggler], 0);
  EXPECT_EQ(slowed.by_rank[0].total(), slowed.makespan);
  EXPECT_EQ(slowed.by_rank[1].total(), slowed.makespan);
}

TEST(FullRankTest, StepsOfJitterDifferAndComeAgainFromTheSameSeed) {
  const RankedJob job = CostRankedJob(MustResolve(SmallJob(2, 2, 1, 2, 4, Plain("1f1b"))));
  const RankVariation variation = {
      .all = false, .speed_spread = 0, .jitter = 0.05, .slow = {}, .steps = 2};
  const Picoseconds first = RunRanks(job, variation, Bound::kMean, 0).makespan;
  EXPECT_EQ(RunRanks(job, variation, Bound::kMean, 0).makespan, first);
  EXPECT_NE(RunRanks(job, variation, Bound::kMean, 1).makespan, first);
  EXPECT_GT(first, RunRanks(job, {}).makespan);
}

TEST(FullRankTest, ReportHasTheStepTimesTheSlowestRankAndTheTasks) {
  const sim::Scenario scenario = MustResolve(SmallJob(2, 2, 1, 4, 4,
                                                      "  ranks: {jitter: 0.05, steps: 20, "
                                                      "slow: [{rank: 9, factor: 1.2}]}\n"));
  const Result<sim::Report> report = sim::Simulate(scenario, {});
  ASSERT_TRUE(report.has_value()) << RenderError(report.error());
  const auto value = [&](const std::string& name) {
    const sim::Metric* metric = report->Find(name);
    EXPECT_NE(metric, nullptr) << name;
    return metric == nullptr ? 0.0 : metric->value;
  };
  EXPECT_EQ(value("ranks.simulated"), 16);
  EXPECT_EQ(value("ranks.slowest"), 9);
  EXPECT_EQ(value("step_time.steps"), 20);
  EXPECT_LT(value("step_time.p50"), value("step_time.p99"));
  EXPECT_NEAR(value("step_time.mean"), value("step_time"), 1e-9);
  EXPECT_GT(value("ranks.straggler_cost"), 0);
  EXPECT_GT(value("time.straggler"), 0);
  EXPECT_GE(value("time.straggler.worst"), value("time.straggler"));
}

TEST(FullRankTest, ARankThatTheJobDoesNotHaveIsRefused) {
  const Result<sim::Report> report = sim::Simulate(
      MustResolve(SmallJob(2, 2, 1, 1, 4, "  ranks: {slow: [{rank: 4, factor: 1.2}]}\n")), {});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace ridgeline::training

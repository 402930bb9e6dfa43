#include "sim/training/training_simulation.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "sim/training/step_program.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

sim::Report MustSimulate(const sim::Scenario& scenario, const sim::RunOptions& options = {}) {
  Result<sim::Report> report = sim::Simulate(scenario, options);
  if (!report) {
    ADD_FAILURE() << RenderError(report.error());
    return {};
  }
  return *std::move(report);
}

double Value(const sim::Report& report, std::string_view name) {
  const sim::Metric* metric = report.Find(name);
  if (metric == nullptr) {
    ADD_FAILURE() << "no metric " << name;
    return 0;
  }
  return metric->value;
}

TEST(TrainingSimulationTest, TimeByCauseAddsUpToTheStep) {
  const sim::Report report = MustSimulate(MustResolve(SmallJob(2, 4, 2, 8, 8)));
  double sum = 0;
  for (const sim::Share& share : report.time) {
    sum += share.value;
  }
  EXPECT_NEAR(sum, Value(report, "step_time"), 1e-12 * sum);
}

TEST(TrainingSimulationTest, MemoryByCauseAddsUpToThePeak) {
  const sim::Report report = MustSimulate(MustResolve(SmallJob(2, 4, 1, 8, 8)));
  double sum = 0;
  for (const sim::Share& share : report.memory) {
    sum += share.value;
  }
  EXPECT_NEAR(sum, Value(report, "memory.peak"), 1e-9 * sum);
}

TEST(TrainingSimulationTest, ThroughputAndUtilisationAreTheStepTimeInOtherWords) {
  const sim::Report report = MustSimulate(MustResolve(SmallJob(2, 2, 1, 4, 4)));
  const double step = Value(report, "step_time");
  // 16 sequences of 2,048 tokens on 16 GPUs.
  EXPECT_NEAR(Value(report, "tokens_per_second"), 16 * 2048 / step,
              1e-6 * Value(report, "tokens_per_second"));
  EXPECT_NEAR(Value(report, "tokens_per_second_per_gpu") * 16, Value(report, "tokens_per_second"),
              1e-3);
  EXPECT_NEAR(Value(report, "mfu"), Value(report, "model_flops_per_gpu") / 989.4e12, 1e-9);
  EXPECT_DOUBLE_EQ(Value(report, "mfu"), Value(report, "hfu"));  // nothing is computed twice
}

TEST(TrainingSimulationTest, ModelFlopsMatchTheClosedForm) {
  const sim::Scenario scenario = MustResolve(SmallJob(4, 2, 2, 2, 4));
  const sim::Report report = MustSimulate(scenario);
  const double tokens = 8 * 2048;
  const double expected =
      workloads::TrainingFlopsPerToken(scenario.training->model, 2048, true) * tokens / 16;
  EXPECT_NEAR(Value(report, "model_flops_per_gpu") * Value(report, "step_time") / expected, 1.0,
              1e-3);
}

TEST(TrainingSimulationTest, BothExecutorsGiveTheSameReport) {
  const sim::Scenario scenario = MustResolve(SmallJob(2, 4, 2, 2, 8));
  const sim::Report sweep = MustSimulate(scenario, {.executor = sim::Executor::kStaticSweep});
  const sim::Report events = MustSimulate(scenario, {.executor = sim::Executor::kEventDriven});
  ASSERT_EQ(sweep.metrics.size(), events.metrics.size());
  for (size_t i = 0; i < sweep.metrics.size(); ++i) {
    EXPECT_EQ(sweep.metrics[i].value, events.metrics[i].value) << sweep.metrics[i].name;
    EXPECT_EQ(sweep.metrics[i].high, events.metrics[i].high) << sweep.metrics[i].name;
  }
}

TEST(TrainingSimulationTest, RangesHoldTheirMeans) {
  for (const sim::Metric& metric : MustSimulate(MustResolve(SmallJob(2, 4, 1, 8, 8))).metrics) {
    EXPECT_LE(metric.low, metric.value) << metric.name;
    EXPECT_GE(metric.high, metric.value) << metric.name;
  }
}

TEST(TrainingSimulationTest, FullRecomputeAddsAboutAThirdOfTheModelFlops) {
  const sim::Report report =
      MustSimulate(MustResolve(SmallJob(1, 1, 1, 1, 2, "  recompute: full\n")));
  // Layers are computed once more (a third of forward and backward); the head is not.
  EXPECT_GT(Value(report, "hfu") / Value(report, "mfu"), 1.15);
  EXPECT_LT(Value(report, "hfu") / Value(report, "mfu"), 4.0 / 3.0 + 1e-9);
  EXPECT_GT(Value(report, "time.recompute"), 0);
}

// Sixteen layers whose calls take a second each: the last layer's forward begins 16 s after the
// step, and what the GPU did before it, the embedding and fifteen layers, is hidden. What follows
// is as it was.
TEST(TrainingSimulationTest, AGpuWaitsForASlowHostAndHidesItsOwnWorkBehindIt) {
  const std::string at_once = "  framework: {base: megatron-core, host: {}}\n";
  const std::string slow = "  framework: {base: megatron-core, host: {layer_forward: 1 s}}\n";
  const sim::Scenario fast_host = MustResolve(SmallJob(1, 1, 1, 1, 1, at_once));
  const sim::Scenario slow_host = MustResolve(SmallJob(1, 1, 1, 1, 1, slow));
  const StageCosts stages =
      CostStages(*slow_host.training, compute::OperationTime::Analytic(slow_host.cluster)).value();
  const auto forward_of = [&](size_t layer) {
    return engine::ToSeconds(stages.layers[layer].forward.total[Bound::kMean]).base();
  };
  const double hidden = forward_of(1) + 15 * forward_of(0);
  const sim::Report without = MustSimulate(fast_host);
  const sim::Report with = MustSimulate(slow_host);
  EXPECT_NEAR(Value(with, "step_time"), Value(without, "step_time") + 16 - hidden, 1e-11);
  EXPECT_NEAR(Value(with, "time.host"), 16 - hidden, 1e-11);
  EXPECT_EQ(Value(with, "time.matmul"), Value(without, "time.matmul"));
  EXPECT_EQ(without.Find("time.host"), nullptr);  // not a cause where there is no such time
  // A quarter either way.
  EXPECT_NEAR(with.Find("time.host")->low, 12 - hidden, 1e-3);
  EXPECT_NEAR(with.Find("time.host")->high, 20 - hidden, 1e-3);
}

// Of eight micro-batches only the first waits: a host that is faster than its GPU runs ahead.
TEST(TrainingSimulationTest, AHostThatRunsAheadCostsItsFirstLaunchAndTheUpdate) {
  const sim::Report without = MustSimulate(
      MustResolve(SmallJob(1, 1, 1, 1, 8, "  framework: {base: megatron-core, host: {}}\n")));
  const sim::Report with = MustSimulate(MustResolve(
      SmallJob(1, 1, 1, 1, 8,
               "  framework: {base: megatron-core, host: {step: 3 ms, launch_latency: 5 us, "
               "forward: {matmul: 1 us, elementwise: 2 us}}}\n")));
  // 3 ms, the launch's 5 us, and 2 us to issue the embedding.
  EXPECT_NEAR(Value(with, "time.host"), 3.007e-3, 1e-12);
  EXPECT_NEAR(Value(with, "step_time"), Value(without, "step_time") + 3.007e-3, 1e-11);
}

TEST(TrainingSimulationTest, WhatDoesNotFitIsSaidAndStillSimulated) {
  const sim::Report report = MustSimulate(MustResolve(R"(
cluster: {nodes: dgx-h100, count: 1}
training: {model: llama-3.1-70b, sequence_length: 8192, global_batch: 8, gpus: 8}
)"));
  EXPECT_FALSE(report.fits);
  EXPECT_EQ(Value(report, "memory.fits"), 0);
  EXPECT_GT(Value(report, "step_time"), 0);
  ASSERT_FALSE(report.warnings.empty());
  EXPECT_THAT(report.warnings[0].message, testing::HasSubstr("does not fit"));
}

TEST(TrainingSimulationTest, ATraceIsJsonWithATrackAStreamAndMemoryCounters) {
  std::ostringstream trace;
  MustSimulate(MustResolve(SmallJob(2, 2, 1, 2, 4)), {.trace = &trace});
  const auto events = nlohmann::json::parse(trace.str())["traceEvents"];
  size_t slices = 0;
  size_t counters = 0;
  for (const auto& event : events) {
    slices += event["ph"] == "X" ? 1 : 0;
    counters += event["ph"] == "C" ? 1 : 0;
  }
  EXPECT_GT(slices, 1000U);
  EXPECT_GE(counters, 16U);  // 4 micro-batches come and go on two ranks
}

TEST(TrainingSimulationTest, AStopIsHeard) {
  std::stop_source source;
  source.request_stop();
  const auto report =
      sim::Simulate(MustResolve(SmallJob(1, 2, 1, 1, 2)), {.stop = Stop(source.get_token())});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::kCancelled);
}

// Four of a node's GPUs are two stages, so the pipeline of two nodes crosses between them once each
// way: less is exposed than when every stage is a node away.
TEST(TrainingSimulationTest, StagesOnOneNodeSendOverNvlink) {
  const sim::Scenario scenario = MustResolve(SmallJob(4, 4, 1, 1, 8));
  const compute::OperationTime time = compute::OperationTime::Analytic(scenario.cluster);
  const StageCosts stages = CostStages(*scenario.training, time).value();
  ASSERT_EQ(stages.boundary_sends.size(), 4u);
  EXPECT_LT(stages.boundary_sends[0][Bound::kMean], stages.boundary_sends[1][Bound::kMean]);
  EXPECT_EQ(stages.boundary_sends[0].at, stages.boundary_sends[2].at);
  EXPECT_EQ(stages.boundary_sends[1].at, stages.boundary_sends[3].at);  // last to first
}

// Megatron's buckets hold max(40 M, 1 M x replicas) parameters. From the top: the head has 32.8 M,
// a layer 15.7 M, the embedding 32.8 M. At 8 replicas: head and a layer, five times three layers,
// embedding: 7 buckets. At 64 replicas: head and two layers, twice five layers, four layers and
// embedding: 4. The forward begins when the first has come back.
TEST(TrainingSimulationTest, ParametersComeBackBucketByBucket) {
  for (const auto& [replicas, buckets] : {std::pair{8, 7U}, std::pair{64, 4U}}) {
    const sim::Scenario scenario =
        MustResolve(SmallJob(1, 1, 1, replicas, 1, "  sharding: zero-1\n"));
    const compute::OperationTime time = compute::OperationTime::Analytic(scenario.cluster);
    const StageCosts stages = CostStages(*scenario.training, time).value();
    const EpilogueCosts epilogue = CostEpilogue(*scenario.training, stages, time).value();
    ASSERT_EQ(epilogue.gathers.size(), buckets);
    EXPECT_EQ(epilogue.reductions.size(), buckets);
    EXPECT_EQ(epilogue.gathers.front().before_layer, 0U);
    for (size_t i = 1; i < epilogue.gathers.size(); ++i) {
      EXPECT_GT(epilogue.gathers[i].before_layer, epilogue.gathers[i - 1].before_layer);
    }
  }
}

TEST(TrainingSimulationTest, AStepLongerThanTheClockIsAnErrorNotACrash) {
  for (const std::string cluster :
       {"{nodes: dgx-h100, count: 2, fabric: {base: rail-optimized-400g, bandwidth: 1e-300 Gb/s}}",
        "{nodes: dgx-h100, count: 2}"}) {
    const bool is_slow = cluster.find("e-300") != std::string::npos;
    const auto report =
        sim::Simulate(MustResolve(fmt::format(
                          "cluster: {}\ntraining: {{model: llama-3.1-8b, sequence_length: {}, "
                          "global_batch: 1600000, parallelism: {{tp: 8}}}}\n",
                          cluster, is_slow ? 4096 : 1 << 30)),
                      {});
    ASSERT_FALSE(report.has_value()) << cluster;
    EXPECT_EQ(report.error().code, ErrorCode::kOutOfRange);
    EXPECT_THAT(report.error().message, testing::HasSubstr("longer than the simulated clock"));
  }
}

}  // namespace
}  // namespace ridgeline::training

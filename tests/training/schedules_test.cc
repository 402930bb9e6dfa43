// Pipeline schedules on whole steps: bubbles at equal costs, memory in flight, sharding in a
// pipeline, and why some compositions are none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/engine/static_sweep.h"
#include "sim/simulate.h"
#include "sim/training/step_program.h"
#include "sim/training/training_memory.h"
#include "tests/training/scenarios.h"
#include "workloads/pipeline_schedule.h"

namespace ridgeline::training {
namespace {

using engine::Picoseconds;
using testing::HasSubstr;

Duration Exactly(Picoseconds span) { return {{span, span, span}}; }

/// One layer a chunk: a forward of 10, gradients of inputs and weights 10 each; sends of nothing.
struct EqualStages {
  EqualStages(const std::string& schedule, int pp, int vpp, int micro_batches) {
    scenario = MustResolve(
        SmallJob(1, pp, vpp, 1, micro_batches, "  schedule: " + schedule + "\n  sharding: none\n"));
    CostedLayer layer;
    const auto pass = [](CostedPass& costed, Picoseconds span) {
      costed.steps = {{.name = "product", .cause = Cause::kMatmul, .duration = Exactly(span)}};
      costed.total = Exactly(span);
      costed.causes.Add(Cause::kMatmul, Exactly(span));
    };
    pass(layer.forward, 10);
    pass(layer.backward, 20);
    pass(layer.input_gradient, 10);
    pass(layer.weight_gradient, 10);
    stages.layers = {layer};
    stages.chunks.assign(static_cast<size_t>(ChunksOf(*scenario.training).count()),
                         ChunkCosts{.layers = {0}});
    stages.boundary_sends.assign(static_cast<size_t>(pp), Duration{});
    stages.has_pipeline = true;
    epilogue.gradient_norm.resize(static_cast<size_t>(pp));
    epilogue.update.resize(static_cast<size_t>(pp));
  }
  Picoseconds Makespan() const {
    const StepProgram step =
        BuildStepProgram(*scenario.training, stages, epilogue, Detail::kSlots, {}).value();
    return engine::StaticSweep(step.program).makespan;
  }
  sim::Scenario scenario;
  StageCosts stages;
  EpilogueCosts epilogue;
};

// Four ranks, eight micro-batches: 8 · 30 of work, twice that where ranks hold two chunks of a
// layer each. GPipe and 1F1B (p - 1)(F + B) = 90; interleaved with two chunks of 30 each 90 too;
// ZB-H1 (p - 1)(F + B - 2W) = 30; ZB-V none inside, but its last rank begins three forwards late
// and all meet at the norm; DualPipe (p/2 - 1)(F&B + B - 3W) = 20.
TEST(SchedulesTest, BubblesOfAStepAtEqualCosts) {
  EXPECT_EQ(EqualStages("gpipe", 4, 1, 8).Makespan(), 240 + 90);
  EXPECT_EQ(EqualStages("1f1b", 4, 1, 8).Makespan(), 240 + 90);
  EXPECT_EQ(EqualStages("interleaved", 4, 2, 8).Makespan(), 480 + 90);
  EXPECT_EQ(EqualStages("zb-h1", 4, 1, 8).Makespan(), 240 + 30);
  EXPECT_EQ(EqualStages("zb-v", 4, 2, 8).Makespan(), 480 + 30);
  EXPECT_EQ(EqualStages("dualpipe", 4, 1, 8).Makespan(), 240 + 20);
}

std::vector<MemoryUse> MemoryOf(const std::string& schedule, int vpp,
                                const std::string& more = {}) {
  const sim::Scenario scenario = MustResolve(
      SmallJob(1, 4, vpp, 2, 8, "  schedule: " + schedule + "\n  sharding: ddp\n" + more));
  const compute::OperationTime time = compute::OperationTime::Analytic(scenario.cluster);
  return CountMemory(*scenario.training, CostStages(*scenario.training, time).value()).value();
}

// Rank 1 holds four of sixteen layers in one chunk or in two. 1F1B: three micro-batches of four
// layers in flight; ZB-V four micro-batches, ZB-H1 as 1F1B and what one weight gradient waits for;
// DualPipe five of either copy, of both of whose stages it holds the parameters.
TEST(SchedulesTest, MemoryInFlightFollowsTheOrder) {
  const MemoryUse plain = MemoryOf("1f1b", 1)[1];
  const MemoryUse h1 = MemoryOf("zb-h1", 1)[1];
  const MemoryUse v = MemoryOf("zb-v", 2)[1];
  const MemoryUse dual = MemoryOf("dualpipe", 1)[1];
  EXPECT_GT(h1.activations, plain.activations);
  EXPECT_LT(h1.activations, 4.0 / 3.0 * plain.activations);
  EXPECT_NEAR(v.activations / plain.activations, 4.0 / 3.0, 0.1);
  EXPECT_NEAR(dual.activations / plain.activations, 5.0 / 3.0, 0.2);
  EXPECT_DOUBLE_EQ(dual.weights.base(), 2.0 * plain.weights.base());
  EXPECT_DOUBLE_EQ(v.weights.base(), plain.weights.base());
}

sim::Report Simulated(const std::string& more, int pp, int vpp, int micro_batches) {
  Result<sim::Report> report =
      sim::Simulate(MustResolve(SmallJob(1, pp, vpp, 2, micro_batches, more)), {});
  EXPECT_TRUE(report.has_value()) << RenderError(report.error());
  return report ? *std::move(report) : sim::Report{};
}

// Twice the copies, half the micro-batches of each: the same arithmetic.
TEST(SchedulesTest, ModelFlopsDoNotDependOnTheSchedule) {
  const auto flops = [](const std::string& schedule, int vpp) {
    const sim::Report report = Simulated("  schedule: " + schedule + "\n", 4, vpp, 8);
    return report.Find("model_flops_per_gpu")->value * report.Find("step_time")->value;
  };
  const double plain = flops("1f1b", 1);
  EXPECT_NEAR(flops("zb-v", 2) / plain, 1.0, 1e-9);
  EXPECT_NEAR(flops("dualpipe", 1) / plain, 1.0, 1e-9);
}

// Parameters that each pass gathers take less memory and more time than those that stay.
TEST(SchedulesTest, GivingParametersUpInAPipelineTradesTimeForMemory) {
  const std::string fsdp = "  sharding: fsdp\n  framework: torchtitan\n";
  const sim::Report kept = Simulated(fsdp, 4, 1, 8);
  const sim::Report given_up = Simulated(fsdp + "  reshard: true\n", 4, 1, 8);
  EXPECT_LT(kept.Find("step_time")->value, given_up.Find("step_time")->value);
  EXPECT_GT(kept.Find("memory.weights")->value, given_up.Find("memory.weights")->value);
}

TEST(SchedulesTest, StagesAreAsTheJobSays) {
  const std::string uneven = "  stage_layers: [1, 5, 6, 4]\n";
  EXPECT_GT(Simulated(uneven, 4, 1, 8).Find("step_time")->value,
            Simulated("", 4, 1, 8).Find("step_time")->value);
}

std::string ErrorOf(int pp, int vpp, int micro_batches, const std::string& more) {
  const Result<sim::Scenario> scenario = Resolve(SmallJob(1, pp, vpp, 2, micro_batches, more));
  return scenario ? "" : RenderError(scenario.error());
}

TEST(SchedulesTest, WhatDoesNotGoTogetherSaysWhy) {
  EXPECT_THAT(ErrorOf(4, 1, 8, "  schedule: zb-v\n"),
              testing::AllOf(HasSubstr("the zb-v schedule holds two chunks a rank: vpp 1"),
                             HasSubstr("set training.parallelism.vpp to 2")));
  EXPECT_THAT(ErrorOf(4, 1, 6, "  schedule: dualpipe\n"),
              HasSubstr("2 x pp at least: 6 micro-batches, pp 4"));
  EXPECT_THAT(ErrorOf(4, 2, 8, "  schedule: zb-h1\n"), HasSubstr("one chunk a rank: vpp 2"));
  EXPECT_THAT(ErrorOf(4, 1, 8, "  schedule: zb-h1\n  sharding: fsdp\n"),
              HasSubstr("parameters cut over ranks with weight gradients apart"));
  EXPECT_THAT(ErrorOf(4, 1, 8, "  stage_layers: [4, 4, 4]\n"),
              HasSubstr("give one number for each of the 4 stages, 16 in all"));
  EXPECT_THAT(ErrorOf(4, 1, 8, "  stage_layers: [4, 0, 8, 4]\n"),
              HasSubstr("a stage has no layer"));
  EXPECT_THAT(ErrorOf(5, 1, 8, ""), HasSubstr("training.stage_layers"));
}

}  // namespace
}  // namespace ridgeline::training

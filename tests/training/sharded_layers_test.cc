// Parameters and gradients cut over ranks, with hand-worked times and on whole jobs.
#include "sim/training/sharded_layers.h"

#include <gtest/gtest.h>

#include "sim/engine/static_sweep.h"
#include "sim/simulate.h"
#include "sim/training/step_sweep.h"
#include "sim/training/time_breakdown.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

using engine::Picoseconds;

Duration Exactly(Picoseconds span) { return {{span, span, span}}; }

/// Three layers of 10 forward and 20 backward; gathers of 4, reductions of 6, copies of 1 and 2.
struct ThreeLayers {
  explicit ThreeLayers(bool regathers) {
    scenario = MustResolve(SmallJob(1, 1, 1, 2, 1, "  sharding: fsdp\n"));
    CostedLayer layer;
    layer.forward.total = Exactly(10);
    layer.forward.causes.Add(Cause::kMatmul, Exactly(10));
    layer.backward.total = Exactly(20);
    layer.backward.causes.Add(Cause::kMatmul, Exactly(20));
    stages.layers = {layer};
    stages.chunks = {ChunkCosts{.layers = {0, 0, 0}}};
    ShardedLayer sharded;
    sharded.gather = Exactly(4);
    sharded.regather = Exactly(4);
    sharded.reduce = Exactly(6);
    sharded.copy_out = CostedChain::Of(Duration{}, Exactly(1));
    sharded.copy_in = CostedChain::Of(Duration{}, Exactly(2));
    sharded.regathers = regathers;
    epilogue.sharded = {sharded, sharded, sharded};
    epilogue.sharded.back().regathers = false;
    epilogue.gradient_norm = {Duration{}};
    epilogue.update = {Duration{}};
  }
  StepProgram Build() const {
    return BuildStepProgram(*scenario.training, stages, epilogue, Detail::kSlots, {}).value();
  }
  Picoseconds Swept() {
    StepSweep sweep;
    sweep.Load(*scenario.training, stages, epilogue);
    return sweep.Makespan({}).value();
  }
  sim::Scenario scenario;
  StageCosts stages;
  EpilogueCosts epilogue;
};

// Gathers 0..4, 4..8, 8..12 (the third behind the first copy at 5); each layer a copy of 1 and 10:
// 4..15, 15..26, 26..37. Backward: the top layer 37..57, copy 57..59, reduction 59..65; the
// second's gather began with the top layer's forward, at 27: 59..60 copy, 60..80, copy 80..82,
// reduction 82..88; the third's gather is issued at 60 and waits for the
// reduction: 65..69; 82..83, 83..103, copy 103..105, reduction 105..111. Exposed: the first gather
// and the last reduction.
TEST(ShardedLayersTest, ThreeLayersByHand) {
  ThreeLayers job(/*regathers=*/true);
  const StepProgram step = job.Build();
  const engine::Timeline timeline = engine::StaticSweep(step.program);
  EXPECT_EQ(timeline.makespan, 111);
  EXPECT_EQ(job.Swept(), 111);
  const CauseTimes times = BookTime(step, timeline, Bound::kMean).front();
  EXPECT_EQ(times[Cause::kDataParallel], 4 + 6);
  EXPECT_EQ(times[Cause::kMatmul], 90);
  EXPECT_EQ(times[Cause::kElementwise], 3 + 2 + 6);
}

// Without the two copies in the backward.
TEST(ShardedLayersTest, ParametersThatAreKeptAreNotGatheredAgain) {
  ThreeLayers job(/*regathers=*/false);
  EXPECT_EQ(engine::StaticSweep(job.Build().program).makespan, 109);
  EXPECT_EQ(job.Swept(), 109);
}

// At 3 a launch the first gather begins at 3 and its copy is issued at 3: the step begins 3 later,
// and the rest hides behind layers of 10.
TEST(ShardedLayersTest, GathersWaitForTheirHost) {
  ThreeLayers job(/*regathers=*/true);
  job.epilogue.host = EpilogueCosts::Host{
      .start = {}, .norm = {}, .update = {Duration{}}, .update_lead = {Duration{}}};
  job.epilogue.issue_gather = Exactly(3);
  const StepProgram step = job.Build();
  const engine::Timeline timeline = engine::StaticSweep(step.program);
  EXPECT_EQ(timeline.makespan, 114);
  EXPECT_EQ(job.Swept(), 114);
  EXPECT_EQ(BookTime(step, timeline, Bound::kMean).front()[Cause::kHost], 3);
}

sim::Report Simulated(const std::string& more, int micro_batches = 2, int dp = 8) {
  Result<sim::Report> report =
      sim::Simulate(MustResolve(SmallJob(1, 1, 1, dp, micro_batches, more)), {});
  EXPECT_TRUE(report.has_value());
  return report ? *std::move(report) : sim::Report{};
}
double StepTime(const sim::Report& report) { return report.Find("step_time")->value; }

TEST(ShardedLayersTest, OneReplicaHasNothingToCut) {
  EXPECT_DOUBLE_EQ(StepTime(Simulated("  sharding: fsdp\n  framework: pytorch-eager\n", 1, 1)),
                   StepTime(Simulated("  sharding: zero-3\n  framework: pytorch-eager\n", 1, 1)));
}

TEST(ShardedLayersTest, KeepingParametersSavesTheSecondGather) {
  EXPECT_LT(StepTime(Simulated("  sharding: fsdp\n  reshard: false\n")),
            StepTime(Simulated("  sharding: fsdp\n")));
}

// Memory is fullest in the loss. Sixteen layers of 15.7 M parameters and two tables, in bf16,
// instead of the head: sixteen layers and a table more.
TEST(ShardedLayersTest, KeepingParametersTakesTheirMemory) {
  const auto weights = [](const std::string& more) {
    return Simulated("  sharding: fsdp\n  framework: torchtitan\n" + more)
        .Find("memory.weights")
        ->value;
  };
  const double layer = 2.0 * (2 * 1024 * 1024 + 2 * 1024 * 512 + 3 * 4096 * 1024 + 2 * 1024);
  EXPECT_NEAR(weights("  reshard: false\n") - weights(""), 16 * layer + 2.0 * 32000 * 1024, 1.0);
}

// ZeRO-2 sends its gradients with every micro-batch, ZeRO-1 with the last.
TEST(ShardedLayersTest, ZeroTwoReducesEveryMicroBatch) {
  const std::string framework =
      "  framework: {base: deepspeed, overlap: {gradient_reduce: false}}\n";
  const sim::Report one = Simulated("  sharding: zero-1\n" + framework, 4);
  const sim::Report two = Simulated("  sharding: zero-2\n" + framework, 4);
  EXPECT_GT(two.Find("time.data_parallel")->value, 2.0 * one.Find("time.data_parallel")->value);
  // With one micro-batch they send the same.
  EXPECT_DOUBLE_EQ(
      Simulated("  sharding: zero-1\n" + framework, 1).Find("time.data_parallel")->value,
      Simulated("  sharding: zero-2\n" + framework, 1).Find("time.data_parallel")->value);
}

}  // namespace
}  // namespace ridgeline::training

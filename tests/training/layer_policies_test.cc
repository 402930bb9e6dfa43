// Offload, LoRA, further predictions and the load of experts, as a step has them; and jobs that ask
// of a model's layers what those do not have.
#include <algorithm>
#include <array>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/training/stage_costs.h"
#include "sim/training/training_memory.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

using testing::HasSubstr;

compute::OperationTime TimeOf(const sim::Scenario& scenario) {
  return compute::OperationTime::Analytic(scenario.cluster);
}

MemoryUse FirstRank(const sim::Scenario& scenario) {
  const StageCosts stages = CostStages(*scenario.training, TimeOf(scenario)).value();
  return CountMemory(*scenario.training, stages).value()[0];
}

// A layer of 2,048 tokens keeps half, and its copy takes those bytes over 64 GB/s of PCIe or what
// is sustained of it: what the layer's own time does not hide is exposed, both ways.
TEST(OffloadTest, WhatOutlastsALayerIsExposed) {
  const sim::Scenario plain = MustResolve(SmallJob(1, 4, 1, 1, 8));
  const sim::Scenario offloaded =
      MustResolve(SmallJob(1, 4, 1, 1, 8, "  offload: {activations: 0.5}\n"));
  const CostedLayer before = CostStages(*plain.training, TimeOf(plain))->layers[0];
  const CostedLayer after = CostStages(*offloaded.training, TimeOf(offloaded))->layers[0];
  EXPECT_EQ(after.saved_activations, 0.5 * before.saved_activations);
  const hardware::Gpu& gpu = plain.cluster.gpu;
  const BytesPerSecond rate =
      gpu.host_link_sustained ? gpu.host_link_sustained->rate : gpu.host_link;
  const Seconds copy = 0.5 * before.saved_activations / rate;
  for (const auto& [pass, with] :
       {std::pair{before.forward, after.forward}, std::pair{before.backward, after.backward}}) {
    const double own = engine::ToSeconds(pass.total[Bound::kMean]).base();
    EXPECT_NEAR(engine::ToSeconds(with.total[Bound::kMean]).base(), std::max(own, copy.base()),
                2e-12);
  }
}

TEST(OffloadTest, MemoryFallsWithTheShare) {
  Bytes before = FirstRank(MustResolve(SmallJob(1, 4, 1, 1, 8))).activations;
  for (const char* share : {"0.25", "0.5", "1"}) {
    const Bytes now =
        FirstRank(MustResolve(SmallJob(1, 4, 1, 1, 8,
                                       fmt::format("  offload: {{activations: {}}}\n", share))))
            .activations;
    EXPECT_LT(now, before) << share;
    before = now;
  }
}

// A layer's adapters of rank 8: qkv 1024 + 2048, output 1024 + 1024, gate and up 1024 + 8192, down
// 4096 + 1024: 8 x 19,456. 16 layers: 2,490,368 trained beside 317,228,032 frozen.
TEST(LowRankTest, OnlyAdaptersHaveGradientsAndStates) {
  const MemoryUse use =
      FirstRank(MustResolve(SmallJob(1, 1, 1, 1, 1, "  sharding: ddp\n  lora: {rank: 8}\n")));
  EXPECT_DOUBLE_EQ(use.weights.base(), 2.0 * (317'228'032 + 2'490'368));
  EXPECT_DOUBLE_EQ(use.gradients.base(), 4.0 * 2'490'368);
  EXPECT_DOUBLE_EQ(use.optimizer.base(), 12.0 * 2'490'368);
}

// One more layer, a projection of 2h x h and three norms on the last stage, a table besides; FLOPs
// of a layer, of the projection (6 x 2,048 tokens x 2 x 1024 x 1024) and of a head.
TEST(NextTokenTest, ALayerAProjectionAndAHeadMore) {
  sim::Scenario scenario = MustResolve(SmallJob(1, 4, 1, 1, 8));
  const StageCosts plain = CostStages(*scenario.training, TimeOf(scenario)).value();
  scenario = MustResolve(SmallJob(1, 4, 1, 1, 8, "  next_token_layers: 1\n"));
  const StageCosts ahead = CostStages(*scenario.training, TimeOf(scenario)).value();
  ASSERT_EQ(ahead.chunks[3].layers.size(), plain.chunks[3].layers.size() + 1);
  const CostedLayer& layer = plain.layers[plain.chunks[3].layers[0]];
  const CostedLayer& head = plain.layers[plain.chunks[3].layers.back()];
  const CostedLayer& more = ahead.layers[ahead.chunks[3].layers.end()[-2]];
  EXPECT_EQ(more.name, "next-token layer");
  EXPECT_DOUBLE_EQ(more.parameters.dense, layer.parameters.dense + 2.0 * 1024 * 1024 + 3 * 1024);
  EXPECT_DOUBLE_EQ(more.model_flops.base(),
                   (layer.model_flops + head.model_flops).base() + 6.0 * 2048 * 2 * 1024 * 1024);
  EXPECT_GT(more.forward.total[Bound::kMean],
            layer.forward.total[Bound::kMean] + head.forward.total[Bound::kMean]);
  EXPECT_DOUBLE_EQ(ahead.layers[ahead.chunks[3].layers.back()].parameters.dense,
                   head.parameters.dense + 32'000.0 * 1024);
}

constexpr const char* kMixture = R"(
cluster: {nodes: dgx-h100, count: 8}
training:
  model: mixtral-8x7b
  sequence_length: 4096
  global_batch: 64
  parallelism: {tp: 1, pp: 4, ep: 8}
)";

// The mean stays, the ends move apart.
TEST(ExpertLoadTest, ASpreadWidensTheRange) {
  const auto layer = [](const char* experts) {
    const sim::Scenario scenario = MustResolve(std::string(kMixture) + experts);
    return CostStages(*scenario.training, TimeOf(scenario))->layers[0].forward.total;
  };
  const Duration fixed = layer("  experts: {imbalance: 1.5}\n");
  const Duration spread = layer("  experts: {imbalance: 1.5, imbalance_spread: 0.25}\n");
  EXPECT_EQ(spread[Bound::kMean], fixed[Bound::kMean]);
  EXPECT_LT(spread[Bound::kLow], fixed[Bound::kLow]);
  EXPECT_GT(spread[Bound::kHigh], fixed[Bound::kHigh]);
}

std::string Refusal(const std::string& job) {
  const Result<sim::Scenario> scenario = Resolve(job);
  return scenario ? std::string() : RenderError(scenario.error());
}

TEST(LayerPolicyTest, ErrorsSayWhatIsMissing) {
  const auto dense = [](const char* more) { return Refusal(SmallJob(1, 1, 1, 1, 1, more)); };
  EXPECT_THAT(dense("  experts: {capacity_factor: 1.25}\n"), HasSubstr("has experts"));
  EXPECT_THAT(dense("  recompute: modules\n"), HasSubstr("core-attention, norm"));
  EXPECT_THAT(dense("  recompute: modules\n  recompute_detail: {modules: [mixture]}\n"),
              HasSubstr("has experts: mixture"));
  EXPECT_THAT(dense("  recompute: selective\n  recompute_detail: {layers: 2}\n"),
              HasSubstr("set training.recompute: full"));
  EXPECT_THAT(dense("  lora: {rank: 4096}\n"), HasSubstr("wider than the model"));
  EXPECT_THAT(dense("  lora: {rank: 8, attention: false, feed_forward: false}\n"),
              HasSubstr("nothing trains"));
  EXPECT_THAT(Refusal(std::string(kMixture) + "  experts: {imbalance: 9}\n"),
              HasSubstr("at most 8"));
  EXPECT_THAT(Refusal(std::string(kMixture) + "  experts: {imbalance: 2, capacity_factor: 1}\n"),
              HasSubstr("capacity_factor"));
}

}  // namespace
}  // namespace ridgeline::training

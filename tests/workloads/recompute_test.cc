// What each policy keeps and repeats, by hand. s 64, b 1, h 256, 8 heads of 32, 2 KV heads, f 512,
// two bytes an activation, flash attention, where nothing else is said: norm and its product's
// input 2 x 256, twice; queries and output 2 x 256, keys and values 2 x 64; gate, up and product 3
// x 512; 8 log-sum-exps of 4 bytes.
#include "workloads/recompute.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/workloads/small_models.h"

namespace ridgeline::workloads {
namespace {

using testing::ElementsAre;

constexpr int64_t kTokens = 64;
constexpr double kWhole = 64.0 * ((6 * 256 + 2 * 64 + 3 * 512) * 2 + 8 * 4);

std::vector<std::string> Repeated(const LoweredLayer& layer) {
  std::vector<std::string> names;
  for (const Step& step : layer.backward) {
    if (step.part == StepPart::kRecompute) {
      names.push_back(step.name);
    }
  }
  return names;
}

LoweredLayer Lower(const Model& model, Recompute recompute,
                   std::vector<RecomputeModule> modules = {}, int64_t tp = 1) {
  const Framework framework;
  LoweringRequest request = Request(model, framework, kTokens, tp, tp > 1);
  request.recompute = recompute;
  request.recompute_detail.modules = std::move(modules);
  return LowerLayer(request, model.kinds[0]).value();
}

LoweredLayer WithModules(std::vector<RecomputeModule> modules) {
  return Lower(Llama(256, 8, 2, 512), Recompute::kModules, std::move(modules));
}

// The output projection keeps the core's result as its own input: only the log-sum-exps go.
TEST(RecomputeModulesTest, CoreAttentionRunsAFlashKernelAgainForItsSums) {
  const LoweredLayer layer = WithModules({RecomputeModule::kCoreAttention});
  EXPECT_THAT(Repeated(layer), ElementsAre("attention"));
  EXPECT_DOUBLE_EQ(layer.saved_activations.base(), kWhole - 64.0 * 8 * 4);
}

// Both norms' results, 256 each.
TEST(RecomputeModulesTest, NormsGiveUpTheirResults) {
  const LoweredLayer layer = WithModules({RecomputeModule::kNorm});
  EXPECT_THAT(Repeated(layer), ElementsAre("attention norm", "feed-forward norm"));
  EXPECT_DOUBLE_EQ(layer.saved_activations.base(), kWhole - 64.0 * 2 * 256 * 2);
}

TEST(RecomputeModulesTest, TheActivationGivesUpItsResult) {
  const LoweredLayer layer = WithModules({RecomputeModule::kActivation});
  EXPECT_THAT(Repeated(layer), ElementsAre("activation"));
  EXPECT_DOUBLE_EQ(layer.saved_activations.base(), kWhole - 64.0 * 512 * 2);
}

// Gate, up and product; norm and residual stay. The activation inside is not counted twice.
TEST(RecomputeModulesTest, TheFeedForwardGivesUpAllButItsInput) {
  for (const std::vector<RecomputeModule>& modules :
       {std::vector{RecomputeModule::kFeedForward},
        std::vector{RecomputeModule::kActivation, RecomputeModule::kFeedForward}}) {
    const LoweredLayer layer = WithModules(modules);
    EXPECT_THAT(Repeated(layer),
                ElementsAre("gate-up projection", "activation", "down projection"));
    EXPECT_DOUBLE_EQ(layer.saved_activations.base(), kWhole - 64.0 * 3 * 512 * 2);
  }
}

// 8 experts of width 128, 2 a token: norm and router input 2 x 256, 8 probabilities of 4 bytes,
// 2 copies in, gate, up and product of each (3 x 128), 2 copies out.
TEST(RecomputeModulesTest, AMixtureKeepsItsInputItsExpertsTheirs) {
  const Model model = Mixture(256, 8, 2, 128, 8, 2, 0);
  const double all = Lower(model, Recompute::kNone).saved_activations.base();
  const auto not_kept = [&](RecomputeModule module) {
    return all - Lower(model, Recompute::kModules, {module}).saved_activations.base();
  };
  EXPECT_DOUBLE_EQ(not_kept(RecomputeModule::kMixture),
                   64.0 * (8 * 4 + 2 * (256 + 3 * 128 + 256) * 2));
  EXPECT_DOUBLE_EQ(not_kept(RecomputeModule::kExperts), 64.0 * 2 * 3 * 128 * 2);
  EXPECT_DOUBLE_EQ(not_kept(RecomputeModule::kActivation), 64.0 * 2 * 128 * 2);
  EXPECT_DOUBLE_EQ(not_kept(RecomputeModule::kFeedForward), 0);
}

TEST(RecomputeModulesTest, AMixtureIsRoutedAgainWhole) {
  const LoweredLayer layer =
      Lower(Mixture(256, 8, 2, 128, 8, 2, 0), Recompute::kModules, {RecomputeModule::kMixture});
  EXPECT_THAT(Repeated(layer),
              ElementsAre("router", "routing", "permute", "experts gate-up projection",
                          "activation", "experts down projection", "unpermute"));
}

// Latent attention: 8 heads of 32 + 16 rotary for queries and keys, 32 for values: 2 x 384 + 256.
TEST(RecomputeModulesTest, UpProjectionsExpandLatentsAgain) {
  Model model = Llama(256, 8, 8, 512);
  Mixer& mixer = model.kinds[0].mixer;
  mixer.kind = MixerKind::kLatentAttention;
  mixer.q_lora_rank = 96;
  mixer.kv_lora_rank = 64;
  mixer.rotary_dim = 16;
  mixer.v_head_dim = 32;
  const double all = Lower(model, Recompute::kNone).saved_activations.base();
  const LoweredLayer layer = Lower(model, Recompute::kModules, {RecomputeModule::kUpProjection});
  EXPECT_DOUBLE_EQ(all - layer.saved_activations.base(), 64.0 * (2 * 384 + 256) * 2);
  EXPECT_THAT(Repeated(layer),
              ElementsAre("query up projection", "latent up projection", "rotary", "key assembly"));
}

TEST(RecomputeModulesTest, WhatIsNotKeptIsInTheBuffer) {
  const LoweredLayer whole = Lower(Llama(256, 8, 2, 512), Recompute::kNone);
  for (const auto& [name, module] : EnumNames(Tag<RecomputeModule>{})) {
    const LoweredLayer layer = WithModules({module});
    EXPECT_EQ(layer.saved_activations + layer.recompute_buffer,
              whole.saved_activations + whole.recompute_buffer)
        << name;
    EXPECT_EQ(layer.model_flops, whole.model_flops) << name;
  }
}

// Products apart, as torchtitan has them: queries, values, gate and down (first, third, fifth,
// seventh) are kept, with attention's result and sums, and the layer's input; keys, output
// projection and up run again, and all kernels between, up to the activation.
TEST(RecomputeOperationsTest, EverySecondProductRunsAgain) {
  const Model model = Llama(256, 8, 2, 512);
  Framework framework;
  framework.fusion.qkv = false;
  framework.fusion.gate_up = false;
  LoweringRequest request = Request(model, framework, kTokens);
  request.recompute = Recompute::kOperations;
  const LoweredLayer layer = LowerLayer(request, model.kinds[0]).value();
  EXPECT_THAT(Repeated(layer), ElementsAre("attention norm", "key projection", "rotary",
                                           "output projection", "attention residual",
                                           "feed-forward norm", "up projection", "activation"));
  EXPECT_DOUBLE_EQ(layer.saved_activations.base(),
                   64.0 * ((256 + 256 + 64 + 256 + 512 + 256) * 2 + 8 * 4));
}

// Under sequence parallelism gathers run again; reduce-scatters, 64 / 2 x 256 each, are kept.
TEST(RecomputeOperationsTest, ReduceScattersAreKeptGathersRepeated) {
  const LoweredLayer layer = Lower(Llama(256, 8, 2, 512), Recompute::kOperations, {}, 2);
  EXPECT_THAT(Repeated(layer),
              ElementsAre("attention norm", "attention all-gather", "rotary", "output projection",
                          "attention residual", "feed-forward norm", "feed-forward all-gather",
                          "activation"));
  // Input 32 x 256; qkv 64 x (128 + 2 x 32); attention 64 x 128 and 4 heads' sums; two
  // reduce-scatters; gate and up 64 x 2 x 256.
  EXPECT_DOUBLE_EQ(layer.saved_activations.base(),
                   (32.0 * 256 + 64 * 192 + 64 * 128 + 2 * 32 * 256 + 64 * 512) * 2 + 64 * 4 * 4);
}

}  // namespace
}  // namespace ridgeline::workloads

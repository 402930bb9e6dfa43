// Adapters by hand: 64 tokens, h 256, 8 heads of 32, 2 KV heads, f 512, rank 4. Products in x out:
// qkv 256 x 384, output 256 x 256, gate and up 256 x 1024, down 512 x 256.
#include "workloads/low_rank.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/workloads/small_models.h"

namespace ridgeline::workloads {
namespace {

constexpr double kTokens = 64;
constexpr double kMatrices = 256.0 * (384 + 256 + 1024) + 512.0 * 256;
constexpr double kOfAttention = 4.0 * (256 + 384 + 256 + 256);
constexpr double kOfFeedForward = 4.0 * (256 + 1024 + 512 + 256);

LoweredLayer Lower(LowRankAdapters lora) {
  const Model model = Llama(256, 8, 2, 512);
  const Framework framework;
  LoweringRequest request = Request(model, framework, 64);
  request.lora = lora;
  return LowerLayer(request, model.kinds[0]).value();
}

int64_t WeightGradients(const LoweredLayer& layer) {
  return std::ranges::count(layer.backward, StepPart::kWeightGradient, &Step::part);
}

TEST(LowRankTest, AdaptersHoldRankTimesBothWidths) {
  const LoweredLayer layer = Lower({.rank = 4});
  EXPECT_DOUBLE_EQ(layer.adapters.dense, kOfAttention + kOfFeedForward);
  EXPECT_DOUBLE_EQ(Lower({.rank = 4, .feed_forward = false}).adapters.dense, kOfAttention);
}

// Two FLOPs a token and parameter forward, two for the input's gradient, of adapters two more.
TEST(LowRankTest, FrozenMatricesHaveNoGradients) {
  const LoweredLayer plain = Lower({});
  const LoweredLayer layer = Lower({.rank = 4});
  EXPECT_EQ(WeightGradients(layer), 2 * 4);
  EXPECT_NEAR(layer.model_flops.base(),
              plain.model_flops.base() - 2 * kTokens * kMatrices +
                  6 * kTokens * (kOfAttention + kOfFeedForward),
              1);
  EXPECT_EQ(WeightGradients(Lower({.rank = 4, .feed_forward = false})), 2 * 2);
}

// x A of every product, 4 wide; without adapters the results of norm (256) and activation (512) are
// for nobody.
TEST(LowRankTest, InputsAreKeptForAdaptersOnly) {
  const double plain = Lower({}).saved_activations.base();
  EXPECT_DOUBLE_EQ(Lower({.rank = 4}).saved_activations.base(), plain + kTokens * 4 * 4 * 2);
  EXPECT_DOUBLE_EQ(Lower({.rank = 4, .feed_forward = false}).saved_activations.base(),
                   plain + kTokens * 2 * 4 * 2 - kTokens * (256 + 512) * 2);
}

// 8 experts of width 128, each with its own: gate and up 256 x 256, down 128 x 256.
TEST(LowRankTest, EachExpertHasItsOwn) {
  const Model model = Mixture(256, 8, 2, 128, 8, 2, 0);
  const Framework framework;
  LoweringRequest request = Request(model, framework, 64);
  request.lora.rank = 4;
  const LoweredLayer layer = LowerLayer(request, model.kinds[0]).value();
  EXPECT_DOUBLE_EQ(layer.adapters.experts, 8 * 4.0 * (256 + 256 + 128 + 256));
  EXPECT_DOUBLE_EQ(layer.adapters.dense, kOfAttention);
}

// Recomputation repeats adapters with their products.
TEST(LowRankTest, PiecesMoveWithTheSteps) {
  const Model model = Llama(256, 8, 2, 512);
  const Framework framework;
  LoweringRequest request = Request(model, framework, 64);
  request.lora.rank = 4;
  request.recompute = Recompute::kModules;
  request.recompute_detail.modules = {RecomputeModule::kActivation};
  const LoweredLayer layer = LowerLayer(request, model.kinds[0]).value();
  EXPECT_EQ(layer.backward.front().name, "activation");
  EXPECT_EQ(std::ranges::count(layer.backward, StepPart::kRecompute, &Step::part), 1);
}

}  // namespace
}  // namespace ridgeline::workloads

#include "workloads/inference_lowering.h"

#include <cmath>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "tests/workloads/small_models.h"
#include "workloads/model_catalog.h"

namespace ridgeline::workloads {
namespace {

Model Published(const std::string& name) {
  Result<Model> model = ReadModelFile(
      std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs" / "models" / (name + ".json"), name);
  EXPECT_TRUE(model.has_value()) << RenderError(model.error());
  return model.value_or(Model{});
}

/// The residual addition inside the norm, as serving engines run it.
Recipes FusedResidual() {
  Recipes recipes;
  recipes.norm = Recipe::Of({"xx>xx"}, {}, "x");
  recipes.residual = Recipe::Of({}, {}, "");
  return recipes;
}

InferenceSettings SettingsFor(const Model& model, int64_t tp = 1) {
  return {.model = &model, .fusion = {}, .recipes = FusedResidual(), .tp = tp};
}

const RepeatedStep& Find(const std::vector<RepeatedStep>& steps, std::string_view name) {
  for (const RepeatedStep& step : steps) {
    if (step.name == name) {
      return step;
    }
  }
  ADD_FAILURE() << "no step " << name;
  return steps.front();
}

bool Has(const std::vector<RepeatedStep>& steps, std::string_view name) {
  return std::any_of(steps.begin(), steps.end(),
                     [name](const RepeatedStep& step) { return step.name == name; });
}

double MatrixFlops(const std::vector<RepeatedStep>& steps) {
  double sum = 0;
  for (const RepeatedStep& step : steps) {
    const auto* operation = std::get_if<Operation>(&step.work);
    if (operation != nullptr && !std::holds_alternative<MemoryBound>(*operation)) {
      sum += static_cast<double>(step.count) * FlopsOf(*operation).base();
    }
  }
  return sum;
}

// 8,030,261,248 parameters of two bytes (the published count).
TEST(InferenceLoweringTest, WeightsOfLlama8bAreItsParameters) {
  const Model model = Published("llama-3.1-8b");
  EXPECT_EQ(WeightBytesOnRank(SettingsFor(model)).base(), 2.0 * 8'030'261'248.0);
}

// 32 layers x 2 x 8 KV heads x 128 x 2 B = 131,072 B; on four ranks a quarter.
TEST(InferenceLoweringTest, CacheOfLlama8bIs131072BytesAToken) {
  const Model model = Published("llama-3.1-8b");
  EXPECT_EQ(KvBytesPerTokenOnRank(SettingsFor(model)).base(), 131'072.0);
  EXPECT_EQ(KvBytesPerTokenOnRank(SettingsFor(model, 4)).base(), 32'768.0);
  // Eight heads on sixteen ranks: each holds one, as at tp 8.
  EXPECT_EQ(KvBytesPerTokenOnRank(SettingsFor(model, 16)).base(), 16'384.0);
  EXPECT_EQ(KvBytesPerTokenOnRank(SettingsFor(model, 8)).base(), 16'384.0);
}

// 2 FLOP a parameter and token, without the embedding's 128,256 x 4,096 and the norms' 65 x 4,096.
TEST(InferenceLoweringTest, ATokenCostsTwoFlopsAParameter) {
  const Model model = Published("llama-3.1-8b");
  const auto steps = LowerTokens(SettingsFor(model), 7, 7);
  ASSERT_TRUE(steps.has_value());
  const double matrices = 8'030'261'248.0 - 128'256.0 * 4'096.0 - 65.0 * 4'096.0;
  EXPECT_DOUBLE_EQ(MatrixFlops(*steps), 2.0 * 7.0 * matrices);
}

// Hidden 64, 8 heads of 8, 2 KV heads, width 256; 3 tokens on 4 ranks. KV heads are replicated, one
// a rank: qkv is (2 + 1 + 1) x 8 = 32 wide.
TEST(InferenceLoweringTest, ShapesOfOneRank) {
  const Model model = Llama(64, 8, 2, 256, 5);
  const auto steps = LowerTokens(SettingsFor(model, 4), 3, 2);
  ASSERT_TRUE(steps.has_value());
  const auto gemm = [&](std::string_view name) {
    return std::get<Gemm>(std::get<Operation>(Find(*steps, name).work));
  };
  EXPECT_EQ(gemm("qkv projection"), (Gemm{.m = 3, .n = 32, .k = 64}));
  EXPECT_EQ(gemm("output projection"), (Gemm{.m = 3, .n = 64, .k = 16}));
  EXPECT_EQ(gemm("gate-up projection"), (Gemm{.m = 3, .n = 128, .k = 64}));
  EXPECT_EQ(gemm("down projection"), (Gemm{.m = 3, .n = 64, .k = 64}));
  EXPECT_EQ(gemm("output embedding"), (Gemm{.m = 2, .n = 256, .k = 64}));
  EXPECT_EQ(Find(*steps, "qkv projection").count, 5);
  // 3 tokens x 64 x 2 B, twice a layer.
  const auto reduce = std::get<AxisCollective>(Find(*steps, "feed-forward all-reduce").work);
  EXPECT_EQ(reduce.bytes.base(), 384.0);
  EXPECT_EQ(Find(*steps, "attention all-reduce").count, 5);
  EXPECT_FALSE(Has(*steps, "attention residual"));
  EXPECT_FALSE(Has(*LowerTokens(SettingsFor(model), 3, 2), "attention all-reduce"));
}

TEST(InferenceLoweringTest, TokensAndHeadAddUp) {
  const Model model = Llama(64, 8, 2, 256, 5);
  const InferenceSettings settings = SettingsFor(model, 2);
  EXPECT_EQ(LowerTokens(settings, 9, 4)->size(),
            LowerTokens(settings, 9, 0)->size() + LowerTokens(settings, 0, 4)->size());
}

TEST(InferenceLoweringTest, UnfusedResidualsAndActivationsAreKernelsOfTheirOwn) {
  const Model model = Llama(64, 8, 2, 256);
  InferenceSettings settings = SettingsFor(model);
  settings.recipes.residual = Recipe::Of({"xx>x"}, {}, "");
  settings.recipes.gated_activation = Recipe::Of({"x>x", "xx>x"}, {}, "");
  settings.recipes.rotary = Recipe::Of({"x>x", "h>h", "x>x", "x>x", "xx>x"}, {}, "");
  settings.recipes.rotary.apart = true;
  const auto steps = LowerTokens(settings, 3, 0);
  for (const char* name : {"attention residual", "activation 2/2", "rotary of keys 5/5"}) {
    EXPECT_TRUE(Has(*steps, name)) << name;
  }
}

// E (1 - (1 - k/E)^t): one token picks its 2 of 8; four leave 8 x 0.75^4 = 2.53 alone.
TEST(InferenceLoweringTest, FewTokensReadFewExperts) {
  const Model model = Mixture(64, 8, 2, 128, 8, 2, 0);
  const FeedForward& mixture = model.kinds.front().feed_forward;
  EXPECT_EQ(ExpertsTouched(mixture, 1), 2);
  EXPECT_EQ(ExpertsTouched(mixture, 4), 5);
  EXPECT_EQ(ExpertsTouched(mixture, 1000), 8);
  const auto steps = LowerTokens(SettingsFor(model, 2), 4, 0);
  EXPECT_EQ(
      std::get<GroupedGemm>(std::get<Operation>(Find(*steps, "experts gate-up projection").work)),
      (GroupedGemm{.groups = 5, .m = 8, .n = 128, .k = 64}));
}

TEST(InferenceLoweringTest, AttentionSeesEachSequence) {
  const Model model = Llama(64, 8, 2, 256, 5);
  const auto steps = LowerAttention(SettingsFor(model, 2), AttentionPhase::kDecode, 3, 1, 100);
  ASSERT_EQ(steps->size(), 1U);
  EXPECT_EQ(steps->front().count, 5);
  const auto attention = std::get<Attention>(std::get<Operation>(steps->front().work));
  EXPECT_EQ(attention.heads, 4);
  EXPECT_EQ(attention.kv_heads, 1);
  EXPECT_EQ(attention.batch, 3);
  EXPECT_EQ(attention.kv_len, 100);
}

TEST(InferenceLoweringTest, WhatIsNotModelledSaysSo) {
  const Model latent = Published("deepseek-v3");
  const Model hybrid = Published("nemotron-h-56b-base-8k");
  for (const Model* model : {&latent, &hybrid}) {
    const Status status = CheckInference(SettingsFor(*model));
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, ErrorCode::kUnimplemented);
  }
  const Model plain = Published("llama-3.1-8b");
  InferenceSettings narrow = SettingsFor(plain);
  narrow.weights = DType::kFp8;
  EXPECT_EQ(CheckInference(narrow).error().code, ErrorCode::kUnimplemented);
}

}  // namespace
}  // namespace ridgeline::workloads

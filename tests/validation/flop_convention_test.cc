#include "planner/validation/flop_convention.h"

#include <gtest/gtest.h>

#include "base/document.h"
#include "workloads/hf_config.h"

namespace ridgeline::validation {
namespace {

/// GPT of 24 layers, hidden 2304, vocabulary 51,200: the smallest of arXiv:2104.04473, Table 1.
workloads::Model Gpt() {
  const Result<Node> config = ParseDocument(
      "gpt.yaml",
      "{model_type: decoder, hidden_size: 2304, num_hidden_layers: 24, num_attention_heads: 24, "
      "intermediate_size: 9216, vocab_size: 51200, gated_mlp: false}");
  return *workloads::ReadHfConfig(*config, "gpt");
}

// 96 l h^2 (1 + s/(6h) + V/(16 l h)) with l 24, h 2304, s 2048, V 51200:
// 96 x 24 x 2304^2 = 12,230,590,464; s/6h = 0.148148; V/16lh = 0.057870; in all 14.75030 GFLOP.
TEST(FlopConventionTest, Sc21FormulaByHand) {
  const FlopConvention sc21{.formula = FlopFormula::kSc21,
                            .attention = AttentionCount::kFull,
                            .recompute = RecomputeCount::kIncluded};
  const Flops flops = CountedFlopsPerToken(sc21, Gpt(), 2048, workloads::Recompute::kFull);
  EXPECT_NEAR(flops.base(),
              12230590464.0 * (1 + 2048.0 / (6 * 2304) + 51200.0 / (16.0 * 24 * 2304)), 1e3);
}

// The row of that table: 137 TFLOP/s a GPU on 32 GPUs at 512 sequences took 3.528 s.
TEST(FlopConventionTest, Sc21FormulaGivesTheStepTimeOfThePaper) {
  const FlopConvention sc21{.formula = FlopFormula::kSc21, .recompute = RecomputeCount::kIncluded};
  const double flops = CountedFlopsPerToken(sc21, Gpt(), 2048, workloads::Recompute::kFull).base();
  EXPECT_NEAR(flops * 512 * 2048 / (32 * 137e12), 3.528, 0.001);
}

// For a GPT with a four times wider feed-forward both formulas count the same matrices.
TEST(FlopConventionTest, GeneralFormulaAgreesWithSc21OnAGpt) {
  const FlopConvention sc21{.formula = FlopFormula::kSc21};
  const FlopConvention model{.attention = AttentionCount::kFull};
  const double a = CountedFlopsPerToken(sc21, Gpt(), 2048, workloads::Recompute::kNone).base();
  const double b = CountedFlopsPerToken(model, Gpt(), 2048, workloads::Recompute::kNone).base();
  EXPECT_NEAR(b / a, 1.0, 1e-3);
}

TEST(FlopConventionTest, CausalCountsHalfTheAttention) {
  const FlopConvention full{.attention = AttentionCount::kFull};
  const FlopConvention causal{.attention = AttentionCount::kCausal};
  const auto count = [](const FlopConvention& convention) {
    return CountedFlopsPerToken(convention, Gpt(), 2048, workloads::Recompute::kNone).base();
  };
  // Full: 12 s l h = 12 x 2048 x 24 x 2304 a token.
  EXPECT_NEAR(count(full) - count(causal), 6.0 * 2048 * 24 * 2304, 1e-3 * 6.0 * 2048 * 24 * 2304);
}

TEST(FlopConventionTest, WithoutTheHeadItsMatrixIsLeftOut) {
  const FlopConvention with{};
  const FlopConvention without{.counts_head = false};
  const auto count = [](const FlopConvention& convention) {
    return CountedFlopsPerToken(convention, Gpt(), 2048, workloads::Recompute::kNone).base();
  };
  EXPECT_NEAR(count(with) - count(without), 6.0 * 51200 * 2304, 1.0);
}

}  // namespace
}  // namespace ridgeline::validation

#include "calibration/prior.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "calibration/table_fit.h"
#include "calibration/tree_inputs.h"

namespace ridgeline::calibration {
namespace {

const Condition kSteady;
const MachineRates kRates{.flops = 1e15, .bandwidth = 3e12, .multiprocessors = 132};

TEST(PriorTest, WeightGradientsStartFromTheForwardGemm) {
  const TimedOperation gradient =
      PatternOf(Gemm{.output_dtype = DType::kFp32, .accumulates = true});
  const std::optional<Kin> kin = KinOf(gradient, {.layout = hardware::Layout::kNT});
  ASSERT_TRUE(kin.has_value());
  EXPECT_EQ(kin->pattern, PatternOf(Gemm{}));
  EXPECT_EQ(kin->condition, kSteady);
  EXPECT_FALSE(KinOf(PatternOf(Gemm{}), kSteady).has_value());
  EXPECT_FALSE(KinOf(PatternOf(Gemm{.dtype = DType::kFp8}), kSteady).has_value());
}

TEST(PriorTest, ChainsEnd) {
  const TimedOperation full =
      PatternOf(Attention{.pass = AttentionPass::kBackward, .causal = false});
  EXPECT_EQ(Generation(full, kSteady), 2) << "backward with a mask, then forward";
  EXPECT_EQ(Generation(PatternOf(Attention{}), kSteady), 0);
  EXPECT_EQ(Generation(PatternOf(Attention{.phase = AttentionPhase::kDecode}), kSteady), 0);
  EXPECT_EQ(Generation(PatternOf(MemoryBound{.kind = MemoryBoundKind::kLayerNorm}),
                       {.launch = hardware::Launch::kEager}),
            2);
}

TEST(PriorTest, ThePriorsResidualIsAddedAndAnInput) {
  // A prior of one tree that answers 0.25 everywhere; a tree on top that asks the prior's input.
  SymmetricTree flat;
  flat.inputs.fill(0);
  flat.leaves.fill(1024);
  const Prior prior{.pattern = PatternOf(Gemm{}),
                    .condition = kSteady,
                    .rates = kRates,
                    .residuals = BoostedTrees(0, {{0.0F}}, {flat}),
                    .prior = nullptr};
  const Shape shape = ShapeOf(Gemm{.m = 64, .n = 64, .k = 64});
  EXPECT_EQ(prior.At(shape), 0.25);
  SymmetricTree asks;
  asks.inputs.fill(2);
  asks.leaves.front() = -4096;
  asks.leaves.back() = 4096;  // when the third input is above 0.2
  const BoostedTrees on_top(0, {{}, {}, {0.2F}}, {asks});
  Inputs inputs{};
  EXPECT_EQ(ResidualOn(&prior, on_top, inputs, 2, shape), 1.25);
  EXPECT_EQ(inputs[2], 0.25F);
  EXPECT_EQ(ResidualOn(nullptr, on_top, inputs, 2, shape), 1.0) << "as the inputs stand";
}

/// Random GEMMs at 60 % of peak, slower by a step that hides at n above 4000, times `factor`.
TableRows Known(size_t count, uint64_t seed, double factor) {
  RandomStream random(seed, "known");
  std::vector<std::pair<Shape, float>> rows;
  for (size_t i = 0; i < count; ++i) {
    const auto size = [&random] { return static_cast<int64_t>(std::exp2(random.Uniform(6, 14))); };
    const Gemm gemm{.m = size(), .n = size(), .k = size()};
    const Features features = FeaturesOf(gemm, kRates);
    const double seconds = 3e-6 + features.compute_seconds / 0.6 + features.memory_seconds / 0.8;
    const double step = gemm.n > 4000 && gemm.m > 1000 ? 1.5 : gemm.k < 700 ? 1.25 : 1;
    rows.emplace_back(ShapeOf(gemm), static_cast<float>(std::log(seconds * step * factor)));
  }
  std::sort(rows.begin(), rows.end());
  TableRows table;
  for (const auto& [shape, log_time] : rows) {
    table.shapes.push_back(shape);
    table.log_times.push_back(log_time);
  }
  return table;
}

TEST(PriorTest, FewRowsLearnFromMany) {
  const TimedOperation pattern = PatternOf(Gemm{});
  const FittedTable many = FitTable(pattern, Known(1500, 1, 1), kRates);
  const TimedOperation kin = PatternOf(Gemm{.dtype = DType::kFp16, .output_dtype = DType::kFp16});
  const FittedTable alone = FitTable(kin, Known(60, 2, 1.1), kRates);
  const FittedTable taught = FitTable(kin, Known(60, 2, 1.1), kRates, PriorOf(many));
  ASSERT_NE(taught.prior, nullptr);
  EXPECT_LT(taught.unseen.p90, 0.6 * alone.unseen.p90);
  EXPECT_LT(taught.unseen.median, alone.unseen.median);
}

TEST(PriorTest, APriorThatDoesNotHelpIsNotTaken) {
  // Nothing in common: the prior is noise.
  TableRows noise = Known(300, 3, 1);
  RandomStream random(4, "noise");
  for (float& log_time : noise.log_times) {
    log_time += static_cast<float>(random.Uniform(-1, 1));
  }
  const TimedOperation pattern = PatternOf(Gemm{});
  const FittedTable table = FitTable(pattern, Known(200, 2, 1), kRates,
                                     PriorOf(FitTable(pattern, std::move(noise), kRates)));
  EXPECT_EQ(table.prior, nullptr);
}

}  // namespace
}  // namespace ridgeline::calibration

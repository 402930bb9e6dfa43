#include "planner/validation/field_map.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "planner/validation/ideal_pipeline.h"
#include "planner/validation/model_state.h"

namespace ridgeline::validation {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kConfigs = std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs";

Result<FieldMap> Read(std::string text) {
  const Result<Node> document = ParseDocument("map.yaml", std::move(text));
  return document ? ReadFieldMap(*document) : Fail(document.error());
}

TEST(FieldMapTest, EveryShippedClaimHoldsWithinItsTolerance) {
  const Result<Node> document = ReadDocument(kConfigs / "validation" / "field-map.yaml");
  ASSERT_TRUE(document) << RenderError(document.error());
  ASSERT_TRUE(IsFieldMap(*document));
  const Result<FieldMap> map = ReadFieldMap(*document);
  ASSERT_TRUE(map) << RenderError(map.error());
  const SuiteOutcome outcome = EvaluateFieldMap(*map, hardware::Catalog({kConfigs}));
  EXPECT_EQ(outcome.cases.size(), map->cases.size());
  for (const CaseOutcome& c : outcome.cases) {
    EXPECT_EQ(c.skip, SkipKind::kNone) << c.id << ": " << c.reason;
    EXPECT_TRUE(c.IsWithinTolerance())
        << c.id << ": expected " << c.measured << ", computed " << c.predicted;
  }
}

TEST(FieldMapTest, AWrongFigureIsOutsideItsTolerance) {
  const Result<FieldMap> map = Read(R"(
kind: field-map
name: wrong
source: test
cases:
  - {id: a, claim: c, quantity: collective.ring_wire_factor, with: {kind: all_reduce, ranks: 8}, expected: 2, source: s}
)");
  ASSERT_TRUE(map) << RenderError(map.error());
  const SuiteOutcome outcome = EvaluateFieldMap(*map, hardware::Catalog({kConfigs}));
  EXPECT_EQ(outcome.CountOutsideTolerance(), 1);
}

TEST(FieldMapTest, AnUnknownQuantityIsAnErrorThatNamesTheNearest) {
  const Result<FieldMap> map = Read(R"(
kind: field-map
name: wrong
source: test
cases:
  - {id: a, claim: c, quantity: gpu.ridge_pont, with: {}, expected: 1, source: s}
)");
  ASSERT_FALSE(map);
  EXPECT_THAT(RenderError(map.error()), HasSubstr("unknown quantity: gpu.ridge_pont"));
  EXPECT_THAT(RenderError(map.error()), HasSubstr("gpu.ridge_point"));
}

TEST(FieldMapTest, AnExpectedValueNeedsTheUnitOfItsQuantity) {
  const Result<FieldMap> map = Read(R"(
kind: field-map
name: wrong
source: test
cases:
  - {id: a, claim: c, quantity: gpu.ridge_point, with: {gpu: h100-sxm}, expected: 295, source: s}
)");
  EXPECT_FALSE(map);
}

TEST(FieldMapTest, ABadParameterIsListedAsTheCasesError) {
  const Result<FieldMap> map = Read(R"(
kind: field-map
name: wrong
source: test
cases:
  - {id: a, claim: c, quantity: gpu.ridge_point, with: {gpu: h1000}, expected: 295 FLOP/B, source: s}
  - {id: b, claim: c, quantity: gpu.ridge_point, with: {gpuu: h100-sxm}, expected: 295 FLOP/B, source: s}
)");
  ASSERT_TRUE(map) << RenderError(map.error());
  const SuiteOutcome outcome = EvaluateFieldMap(*map, hardware::Catalog({kConfigs}));
  EXPECT_EQ(outcome.cases[0].skip, SkipKind::kError);
  EXPECT_EQ(outcome.cases[1].skip, SkipKind::kError);
}

// (p - 1) / (m + p - 1), whatever p and m: arXiv:1811.06965.
TEST(IdealPipelineTest, BubbleOfGPipeAndOneForwardOneBackwardIsThatOfThePapers) {
  using workloads::ScheduleKind;
  for (const int64_t p : {1, 2, 4, 8}) {
    for (const int64_t m : {8, 16, 40}) {
      const double expected = static_cast<double>(p - 1) / static_cast<double>(m + p - 1);
      EXPECT_NEAR(*IdealBubbleFraction(ScheduleKind::kGPipe, p, 1, m), expected, 1e-12);
      EXPECT_NEAR(*IdealBubbleFraction(ScheduleKind::kOneForwardOneBackward, p, 1, m), expected,
                  1e-12);
    }
  }
}

TEST(ModelStateTest, MegatronHoldsEighteenBytesAndSixPlusTwelveOverDp) {
  const workloads::TrainingDtypes megatron;  // bf16 weights, the rest fp32
  using workloads::Sharding;
  EXPECT_DOUBLE_EQ(ModelStateBytesPerParameter(megatron, Sharding::kNone, 8).base(), 18.0);
  EXPECT_DOUBLE_EQ(ModelStateBytesPerParameter(megatron, Sharding::kZero1, 8).base(), 7.5);
  EXPECT_DOUBLE_EQ(ModelStateBytesPerParameter(megatron, Sharding::kZero3, 8).base(), 18.0 / 8);
}

}  // namespace
}  // namespace ridgeline::validation

#include "calibration/cross_validation.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace ridgeline::calibration {
namespace {

/// Normal errors of deviation `typical`, half of the rows with 1 %, half with 10 %.
std::vector<UnseenRow> Rows(size_t count, uint64_t seed) {
  RandomStream random(seed, "rows");
  std::vector<UnseenRow> rows;
  for (size_t i = 0; i < count; ++i) {
    const double typical = i % 2 == 0 ? 0.01 : 0.1;
    rows.push_back(
        {.log_time = std::log(5e-5), .error = typical * random.Normal(), .typical = typical});
  }
  return rows;
}

TEST(CrossValidationTest, RangesHoldNineInTenOfFreshRowsWhateverTheirTypicalError) {
  const std::vector<UnseenRow> seen = Rows(20000, 1);
  const auto scales = FitErrorScales(seen);
  // 88.5 % of a normal distribution lie within 1.576 deviations.
  EXPECT_NEAR(scales[1].below, 1.576, 0.08);
  EXPECT_NEAR(scales[1].above, 1.576, 0.08);
  const UnseenError fresh = Summarise(Rows(20000, 2), scales);
  EXPECT_NEAR(fresh.coverage, 0.885, 0.01);
}

TEST(CrossValidationTest, SkewedErrorsGetASkewedRange) {
  std::vector<UnseenRow> rows = Rows(20000, 1);
  for (UnseenRow& row : rows) {
    row.error = std::abs(row.error);  // never faster than predicted
  }
  const auto scales = FitErrorScales(rows);
  EXPECT_EQ(scales[1].below, 0.5) << "the least that is stated";
  EXPECT_NEAR(scales[1].above, 1.576, 0.08);
}

TEST(CrossValidationTest, ABandOfFewRowsTakesTheScaleOfAll) {
  std::vector<UnseenRow> rows = Rows(1000, 1);
  rows.front().log_time = std::log(1.0);
  rows.front().error = 50;
  const auto scales = FitErrorScales(rows);
  EXPECT_LT(scales[3].above, 3);
}

TEST(CrossValidationTest, FoldsAreOfLikeSizeAndStay) {
  const std::vector<uint8_t> folds = FoldsOf(5000);
  std::array<int, kFolds> counts{};
  for (const uint8_t fold : folds) {
    ++counts.at(fold);
  }
  EXPECT_THAT(counts, testing::Each(testing::AllOf(testing::Gt(900), testing::Lt(1100))));
  EXPECT_EQ(folds, FoldsOf(5000));
}

TEST(CrossValidationTest, TheObjectiveIsTheMedianAndAQuarterOfTheTail) {
  std::vector<UnseenRow> rows;
  for (int i = 0; i <= 10; ++i) {
    rows.push_back({.error = i % 2 == 0 ? 0.01 * i : -0.01 * i, .typical = 1});
  }
  EXPECT_NEAR(Objective(rows), 0.05 + 0.09 / 4, 1e-12);
}

}  // namespace
}  // namespace ridgeline::calibration

#include "calibration/whereabouts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/fit.h"
#include "calibration/measured_cost_model.h"
#include "tests/calibration/synthetic_points.h"

namespace ridgeline::calibration {
namespace {

/// An L: the corner where both coordinates are large was never measured.
std::vector<Features> Corner() {
  std::vector<Features> rows;
  for (int i = 0; i <= 10; ++i) {
    for (int j = 0; j <= 10; ++j) {
      if (i + j <= 10) {
        Features row;
        row.num_coordinates = row.num_terms = 2;
        row.terms[0] = static_cast<float>(i);
        row.terms[1] = static_cast<float>(j);
        rows.push_back(row);
      }
    }
  }
  return rows;
}

Features At(float x, float y) {
  Features features;
  features.num_coordinates = features.num_terms = 2;
  features.terms[0] = x;
  features.terms[1] = y;
  return features;
}

TEST(WhereaboutsTest, BesideARowOutsideOfTheBoxOrInAHole) {
  const std::vector<Features> rows = Corner();
  const Whereabouts whereabouts(rows);
  EXPECT_DOUBLE_EQ(whereabouts.BeginningOfHoles(), 1.2) << "rows lie one octave apart";
  const NearestRow row = whereabouts.Nearest(At(3, 4));
  EXPECT_EQ(row.distance, 0);
  EXPECT_EQ(rows[static_cast<size_t>(row.row)].terms[1], 4);
  EXPECT_NEAR(whereabouts.OctavesOutside(At(13, 0)), 3, 0.03);
  EXPECT_EQ(whereabouts.OctavesOutside(At(9, 9)), 0) << "each size by itself was measured";
  EXPECT_GT(whereabouts.Nearest(At(9, 9)).distance, whereabouts.BeginningOfHoles())
      << "but not both together";
  EXPECT_LE(whereabouts.Nearest(At(2.4F, 2.4F), 1.2).distance, 1.2) << "any that is near enough";
}

// GEMMs with m x n below 2^20 only: both large is nowhere near what was measured.
TEST(WhereaboutsTest, AnEmptyCornerOfTheBoxIsExtrapolated) {
  std::vector<Measurement> points = SplitHeldOut(KnownGemms(4000, 0.0)).to_fit;
  std::erase_if(points, [](const Measurement& point) {
    const auto& gemm = std::get<Gemm>(point.operation);
    return gemm.m * gemm.n > (1 << 20);
  });
  const MeasuredCostModel model(Fit(points, ShippedGpu("h100-sxm"), Stop()).value().profile,
                                ShippedGpu("h100-sxm"));
  EXPECT_EQ(model.CostOf(Operation(Gemm{.m = 16000, .n = 16000, .k = 16000}))->evidence,
            Evidence::kExtrapolated);
  // Far beyond, it goes on at what the nearest measured shapes reach of their peaks: 60 %.
  EXPECT_NEAR(model.CostOf(Operation(Gemm{.m = 16000, .n = 16000, .k = 16000}))->mean.base(),
              KnownTime({.m = 16000, .n = 16000, .k = 16000}), 0.15 * 13.8e-3);
  EXPECT_EQ(model.CostOf(Operation(Gemm{.m = 1000, .n = 900, .k = 1000}))->evidence,
            Evidence::kInterpolated);
}

}  // namespace
}  // namespace ridgeline::calibration

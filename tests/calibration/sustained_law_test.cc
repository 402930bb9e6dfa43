#include "calibration/sustained_law.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ridgeline::calibration {
namespace {

using testing::DoubleNear;

/// log slowdown = -0.04 + 0.2 u, at 11 shares of the peak.
std::vector<SustainedPoint> Planted() {
  std::vector<SustainedPoint> points;
  for (int i = 0; i <= 10; ++i) {
    points.push_back({.utilisation = 0.1 * i, .log_slowdown = -0.04 + 0.02 * i});
  }
  return points;
}

TEST(SustainedLawTest, APlantedLineIsFound) {
  const SustainedLaw law = FitSustainedLaw(Planted());
  EXPECT_THAT(law.constant, DoubleNear(-0.04, 1e-12));
  EXPECT_THAT(law.slope, DoubleNear(0.2, 1e-12));
  EXPECT_EQ(law.points, 11);
}

TEST(SustainedLawTest, WhatIsBoundByMemoryIsNotSlower) {
  const SustainedLaw law = FitSustainedLaw(Planted());
  EXPECT_EQ(law.LogSlowdown(0.0), 0);
  EXPECT_EQ(law.LogSlowdown(0.2), 0) << "the line crosses zero there";
  EXPECT_THAT(law.LogSlowdown(0.8), DoubleNear(0.12, 1e-12));
}

TEST(SustainedLawTest, FewPointsOrNoSlowdownMakeNoLaw) {
  const std::vector<SustainedPoint> all = Planted();
  EXPECT_EQ(FitSustainedLaw(std::span(all).first(5)).points, 0);
  std::vector<SustainedPoint> flat(10, SustainedPoint{.utilisation = 0.5, .log_slowdown = 0});
  EXPECT_EQ(FitSustainedLaw(flat).points, 0);
  flat.front().utilisation = 0.1;
  flat.front().log_slowdown = 0.2;  // faster the busier: a GPU that cannot be capped by power
  EXPECT_EQ(FitSustainedLaw(flat).points, 0);
  EXPECT_EQ(SustainedLaw().LogSlowdown(1.0), 0);
}

// An eighth of the power for the same arithmetic: half the clock.
TEST(SustainedLawTest, TheClockGoesWithTheCubeRootOfPower) {
  const SustainedLaw law = FitSustainedLaw(Planted());
  EXPECT_NEAR(law.WithHeadroom(0.125).LogSlowdown(0.9) - law.LogSlowdown(0.9), std::log(2.0),
              1e-12);
  EXPECT_EQ(law.WithHeadroom(1e6).LogSlowdown(0.9), 0);
}

}  // namespace
}  // namespace ridgeline::calibration

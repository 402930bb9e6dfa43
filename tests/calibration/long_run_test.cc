/// What simulations ask: an operation in a run of seconds, at the clocks that the GPU then keeps.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/accuracy.h"
#include "calibration/fit.h"
#include "calibration/measured_cost_model.h"
#include "hardware/roofline.h"
#include "tests/calibration/synthetic_points.h"

namespace ridgeline::calibration {
namespace {

/// Steady GEMMs of a known law, and `sustained` of them again, a tenth slower at 60 % of the peak.
std::vector<Measurement> Points(int sustained, double slope, bool is_busy = false) {
  std::vector<Measurement> points = SplitHeldOut(KnownGemms(1200, 0.0)).to_fit;
  std::vector<Measurement> hot = KnownGemms(sustained, 0.0, 99);
  for (Measurement& point : hot) {
    const double peak = 989.4e12;
    const double share = FlopsOf(std::get<Gemm>(point.operation)).base() / peak / point.time.base();
    point.condition.clock = hardware::Clock::kSustained;
    point.time = point.time * std::exp(slope * share);
    point.busy = is_busy;
  }
  hot = SplitHeldOut(std::move(hot)).to_fit;
  points.insert(points.end(), hot.begin(), hot.end());
  return points;
}

Profile Fitted(std::vector<Measurement> points) {
  return Fit(points, ShippedGpu("h100-sxm"), Stop()).value().profile;
}

const Gemm kLarge{.m = 8192, .n = 8192, .k = 8192};
const Gemm kNarrow{.m = 16, .n = 8192, .k = 8192};

TEST(LongRunTest, TheLawOfThePointsIsFound) {
  const SustainedLaw law = Fitted(Points(60, 0.2)).sustained;
  EXPECT_GT(law.points, 20);
  EXPECT_NEAR(law.slope, 0.2, 0.03);
}

TEST(LongRunTest, ALargeGemmIsLongerByTheLawAndANarrowOneIsNot) {
  const Profile profile = Fitted(Points(60, 0.2));
  const MeasuredCostModel model(profile, ShippedGpu("h100-sxm"));
  const Cost burst = model.CostOf(Operation(kLarge)).value();
  const Cost lasting = model.CostInLongRun(Operation(kLarge), hardware::kAlone).value();
  // 60 % of the peak: e^(0.2 x 0.6) = 1.127.
  EXPECT_NEAR(lasting.mean / burst.mean, 1.127, 0.02);
  EXPECT_LE(lasting.low, lasting.mean);
  EXPECT_LE(lasting.mean, lasting.high);
  EXPECT_NEAR(model.CostInLongRun(Operation(kNarrow), hardware::kAlone)->mean /
                  model.CostOf(Operation(kNarrow))->mean,
              1.0, 0.01);
  EXPECT_EQ(lasting.mean,
            model.CostUnder(Operation(kLarge), {.clock = hardware::Clock::kSustained})->mean)
      << "`cost` and simulations agree";
}

TEST(LongRunTest, ClocksFollowTheRunAndNotTheOperation) {
  const Profile profile = Fitted(Points(60, 0.2));
  const MeasuredCostModel model(profile, ShippedGpu("h100-sxm"));
  const Cost burst = model.CostOf(Operation(kLarge)).value();
  // At 60 % of the peak in a run that reaches 30 % at the mean: e^(0.2 x 0.3) = 1.062.
  EXPECT_NEAR(model.CostInLongRun(Operation(kLarge), 0.3)->mean / burst.mean, 1.062, 0.01);
  EXPECT_NEAR(model.CostInLongRun(Operation(kLarge), 0.0)->mean / burst.mean, 1.0, 0.005);
  EXPECT_NEAR(
      model.CostInLongRun(Operation(kNarrow), 0.3)->mean / model.CostOf(Operation(kNarrow))->mean,
      1.0, 0.01)
      << "what waits for memory does not wait for the clock";
}

TEST(LongRunTest, NothingSustainedIsCalledMeasured) {
  const Profile profile = Fitted(Points(60, 0.2));
  const MeasuredCostModel model(profile, ShippedGpu("h100-sxm"));
  const TimedOperation row = WithShape(profile.tables[0].pattern, profile.tables[0].shapes.front());
  const Operation measured(std::get<Gemm>(row));
  EXPECT_EQ(model.CostOf(measured)->evidence, Evidence::kMeasured);
  EXPECT_EQ(model.CostInLongRun(measured, hardware::kAlone)->evidence, Evidence::kInterpolated);
}

TEST(LongRunTest, TheRooflineIsNotSlowedTwice) {
  const MeasuredCostModel model(Fitted(Points(60, 0.2)), ShippedGpu("h100-sxm"));
  const Operation softmax(MemoryBound{.kind = MemoryBoundKind::kSoftmax,
                                      .read = Bytes::FromBase(1e9),
                                      .written = Bytes::FromBase(1e9),
                                      .rows = 4096});
  EXPECT_EQ(model.CostInLongRun(softmax, hardware::kAlone)->mean,
            hardware::Roofline(ShippedGpu("h100-sxm")).CostOf(softmax)->mean);
}

TEST(LongRunTest, WithoutALawTheBurstStands) {
  const MeasuredCostModel model(Fitted(Points(0, 0)), ShippedGpu("h100-sxm"));
  EXPECT_EQ(model.CostInLongRun(Operation(kLarge), hardware::kAlone)->mean,
            model.CostOf(Operation(kLarge))->mean);
}

TEST(LongRunTest, ABusyGpuTeachesNoLaw) {
  EXPECT_EQ(Fitted(Points(60, 0.9, true)).sustained.points, 0);
}

TEST(LongRunTest, OnAnotherGpuTheLawIsBetweenNothingAndTwice) {
  const MeasuredCostModel model(Fitted(Points(60, 0.2)), ShippedGpu("h100-pcie"));
  const Cost burst = model.CostOf(Operation(kLarge)).value();
  const Cost lasting = model.CostInLongRun(Operation(kLarge), hardware::kAlone).value();
  EXPECT_NEAR(lasting.low / burst.low, 1.0, 1e-9);
  EXPECT_GT(lasting.high / burst.high, std::pow(lasting.mean / burst.mean, 2) - 1e-9);
}

TEST(FitTest, FasterThanThePeakIsNoMeasurement) {
  std::vector<Measurement> points = Points(0, 0);
  for (size_t i = 0; i < 5; ++i) {
    points[i].time = Seconds::FromBase(1e-30);
  }
  EXPECT_EQ(Fit(points, ShippedGpu("h100-sxm"), Stop())->counts.impossible, 5);
}

TEST(VariantTest, AVariantAnswersNoPlainQuestion) {
  std::vector<Measurement> points = Points(0, 0);
  for (Measurement& point : points) {
    point.with = "odd kernel";
    point.time = point.time * 3.0;
  }
  const Profile profile = Fitted(points);
  EXPECT_EQ(profile.tables.front().variant, "odd kernel");
  const MeasuredCostModel model(profile, ShippedGpu("h100-sxm"));
  EXPECT_EQ(model.CostOf(Operation(kLarge))->evidence, Evidence::kAnalytic);
  const MeasuredCostModel asked(OfSource(profile, "own", "odd kernel"), ShippedGpu("h100-sxm"));
  EXPECT_NEAR(asked.CostOf(Operation(kLarge))->mean.base(), 3 * KnownTime(kLarge),
              0.1 * KnownTime(kLarge));
}

}  // namespace
}  // namespace ridgeline::calibration

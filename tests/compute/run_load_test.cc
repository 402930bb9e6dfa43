/// What a run's clocks follow.
#include "sim/compute/run_load.h"

#include <cmath>

#include <gtest/gtest.h>

#include "hardware/cost_model.h"

namespace ridgeline::compute {
namespace {

hardware::Gpu Petaflop() {
  hardware::Gpu gpu;
  gpu.peak["bf16"] = FlopsPerSecond::FromBase(1e15);
  return gpu;
}

Cost Takes(double seconds) {
  const Seconds time = Seconds::FromBase(seconds);
  return {.mean = time, .low = time, .high = time, .evidence = Evidence::kMeasured};
}

TEST(RunLoadTest, IsTheMeanOverTimeOfWhatKernelsReach) {
  const hardware::Gpu gpu = Petaflop();
  RunLoad load(gpu);
  // 2e12 FLOPs: 2 ms at the peak, in 2.5 ms; twice.
  load.Add(Gemm{.m = 10000, .n = 10000, .k = 10000}, Takes(2.5e-3), 2);
  EXPECT_DOUBLE_EQ(load.share_of_peak(), 0.8);
  // As long again in copies, which do no arithmetic, whatever FLOPs they are said to do.
  load.Add(MemoryBound{.flops = Flops::FromBase(1e12)}, Takes(5e-3), 1);
  EXPECT_DOUBLE_EQ(load.share_of_peak(), 0.4);
}

TEST(RunLoadTest, OfNothingIsThatOfAnOperationAlone) {
  const hardware::Gpu gpu = Petaflop();
  EXPECT_EQ(RunLoad(gpu).share_of_peak(), hardware::kAlone);
}

Cost Within(double seconds, double half_width) {
  return {.mean = Seconds::FromBase(seconds),
          .low = Seconds::FromBase(seconds - half_width),
          .high = Seconds::FromBase(seconds + half_width),
          .evidence = Evidence::kMeasured};
}

// Four shapes that are each off by as much: a quarter of the squares is their own, kSharedError^2
// is shared, sqrt(1/16 + 15/16 / 4) = 0.545.
TEST(RunLoadTest, ErrorsOfDifferentShapesAverageOutButForWhatTheyShare) {
  static_assert(kSharedError == 0.25);
  const hardware::Gpu gpu = Petaflop();
  RunLoad load(gpu);
  for (const int64_t n : {1000, 2000, 3000, 4000}) {
    load.Add(Gemm{.m = 1000, .n = n, .k = 1000}, Within(1e-3, 1e-4), 1);
  }
  EXPECT_NEAR(load.range_share(), std::sqrt(1.0 / 16 + 15.0 / 16 / 4), 1e-12);
}

TEST(RunLoadTest, EqualShapesErrTogether) {
  const hardware::Gpu gpu = Petaflop();
  RunLoad load(gpu);
  EXPECT_EQ(load.range_share(), 1.0) << "of nothing";
  for (int i = 0; i < 4; ++i) {
    load.Add(Gemm{.m = 1000, .n = 1000, .k = 1000}, Within(1e-3, 1e-4), 1);
  }
  EXPECT_DOUBLE_EQ(load.range_share(), 1.0);
}

TEST(RunLoadTest, NothingExceedsThePeak) {
  const hardware::Gpu gpu = Petaflop();
  RunLoad load(gpu);
  load.Add(Gemm{.m = 10000, .n = 10000, .k = 10000}, Takes(1e-3), 1);
  EXPECT_EQ(load.share_of_peak(), 1.0);
}

}  // namespace
}  // namespace ridgeline::compute

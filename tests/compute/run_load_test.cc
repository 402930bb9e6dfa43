/// What a run's clocks follow.
#include "sim/compute/run_load.h"

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

TEST(RunLoadTest, NothingExceedsThePeak) {
  const hardware::Gpu gpu = Petaflop();
  RunLoad load(gpu);
  load.Add(Gemm{.m = 10000, .n = 10000, .k = 10000}, Takes(1e-3), 1);
  EXPECT_EQ(load.share_of_peak(), 1.0);
}

}  // namespace
}  // namespace ridgeline::compute

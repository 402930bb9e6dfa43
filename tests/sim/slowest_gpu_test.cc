#include "sim/compute/slowest_gpu.h"

#include <gtest/gtest.h>

namespace ridgeline::compute {
namespace {

TEST(SlowestGpuTest, OneGpuIsTheMeanOne) { EXPECT_EQ(PaceOfSlowest(1), 1.0); }

// Expected largest of n standard normal draws: 0.5642 of 2, 1.4236 of 8, 2.5076 of 100 (Harter
// 1961, table 1). Blom's quantile is an approximation: 0.0253 above the integral at 2, 0.0106 above
// at 8, 0.0090 below at 100, 0.0156 below at 16,384. At 0.0148 a standard deviation that is at most
// 0.04 % of a product's time.
TEST(SlowestGpuTest, LargestOfSeveralDrawsIsThatOfTheTables) {
  EXPECT_NEAR(ExpectedLargest(2), 0.5642, 0.026);
  EXPECT_NEAR(ExpectedLargest(8), 1.4236, 0.011);
  EXPECT_NEAR(ExpectedLargest(100), 2.5076, 0.0095);
  EXPECT_NEAR(ExpectedLargest(16'384), 3.9714, 0.016);
}

TEST(SlowestGpuTest, MoreGpusHaveASlowerOneAmongThem) {
  double last = 1;
  for (int64_t gpus = 2; gpus <= 1 << 20; gpus *= 2) {
    const double pace = PaceOfSlowest(gpus);
    EXPECT_GT(pace, last);
    last = pace;
  }
  EXPECT_LT(last, 1.08);
}

}  // namespace
}  // namespace ridgeline::compute

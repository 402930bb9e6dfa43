#include "base/percentile.h"

#include <gtest/gtest.h>

#include "base/check.h"

namespace ridgeline {
namespace {

// numpy.quantile([1, 2, 3, 4], q): 0.5 -> 2.5, 0.25 -> 1.75, 0.9 -> 3.7.
TEST(ExactQuantileTest, InterpolatesAsNumpyDoes) {
  std::vector<double> samples = {3, 1, 4, 2};
  EXPECT_EQ(ExactQuantile(samples, 0.0), 1);
  EXPECT_EQ(ExactQuantile(samples, 0.25), 1.75);
  EXPECT_EQ(ExactQuantile(samples, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(ExactQuantile(samples, 0.9), 3.7);
  EXPECT_EQ(ExactQuantile(samples, 1.0), 4);
  std::vector<double> one = {7};
  EXPECT_EQ(ExactQuantile(one, 0.99), 7);
  EXPECT_THROW((void)ExactQuantile({}, 0.5), InternalError);
}

TEST(LogHistogramTest, ZerosAndCountsAreKept) {
  LogHistogram histogram(0.01);
  histogram.Add(0, 3);
  histogram.Add(10);
  EXPECT_EQ(histogram.count(), 4);
  EXPECT_EQ(histogram.Quantile(0.5), 0);
  EXPECT_NEAR(histogram.Quantile(1.0), 10, 0.1);
  EXPECT_THROW(histogram.Add(-1), InternalError);
}

TEST(LogHistogramTest, MergingIsAddingAll) {
  LogHistogram low, high, all;
  for (int i = 1; i <= 100; ++i) {
    low.Add(i);
    high.Add(1000.0 * i);
    all.Add(i);
    all.Add(1000.0 * i);
  }
  high.Merge(low);
  high.Merge(LogHistogram());
  for (const double q : {0.0, 0.1, 0.5, 0.99, 1.0}) {
    EXPECT_EQ(high.Quantile(q), all.Quantile(q));
  }
}

}  // namespace
}  // namespace ridgeline

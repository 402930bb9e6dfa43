#include "base/random.h"

#include <array>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "base/check.h"

namespace ridgeline {
namespace {

// Golden values: results that were published with a seed must come out again on any machine.
TEST(RandomStreamTest, BitsAreStable) {
  RandomStream stream(1, "arrivals");
  EXPECT_EQ(stream.NextBits(), 15330047474553838123u);
  EXPECT_EQ(stream.NextBits(), 10497119072588152945u);
  EXPECT_EQ(stream.NextBits(), 9212919721706342119u);
}

TEST(RandomStreamTest, StreamsDependOnSeedAndNameOnly) {
  EXPECT_EQ(RandomStream(7, "a").NextBits(), RandomStream(7, "a").NextBits());
  EXPECT_NE(RandomStream(7, "a").NextBits(), RandomStream(7, "b").NextBits());
  EXPECT_NE(RandomStream(7, "a").NextBits(), RandomStream(8, "a").NextBits());
}

struct Moments {
  double mean, variance;
};
template <class F>
Moments MomentsOf(F next) {
  constexpr int kSamples = 200'000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double x = next();
    sum += x;
    squares += x * x;
  }
  const double mean = sum / kSamples;
  return {mean, squares / kSamples - mean * mean};
}

// 200,000 samples: the mean's standard error is deviation / 447; five of them are allowed.
TEST(RandomStreamTest, DistributionsHaveTheirMoments) {
  RandomStream stream(3, "moments");
  const Moments uniform = MomentsOf([&] { return stream.Uniform(2, 4); });
  EXPECT_NEAR(uniform.mean, 3, 0.0065);
  EXPECT_NEAR(uniform.variance, 4.0 / 12, 0.005);
  const Moments exponential = MomentsOf([&] { return stream.Exponential(4); });
  EXPECT_NEAR(exponential.mean, 0.25, 0.003);
  EXPECT_NEAR(exponential.variance, 0.0625, 0.003);
  const Moments normal = MomentsOf([&] { return stream.Normal(); });
  EXPECT_NEAR(normal.mean, 0, 0.012);
  EXPECT_NEAR(normal.variance, 1, 0.02);
  const Moments gamma = MomentsOf([&] { return stream.Gamma(0.5, 2); });  // mean 1, variance 2
  EXPECT_NEAR(gamma.mean, 1, 0.016);
  EXPECT_NEAR(gamma.variance, 2, 0.1);
}

TEST(RandomStreamTest, UniformIntegerReachesBothEndsEvenly) {
  RandomStream stream(5, "dice");
  std::array<int, 6> counts = {};
  for (int i = 0; i < 60'000; ++i) {
    ++counts.at(static_cast<size_t>(stream.UniformInteger(1, 6) - 1));
  }
  for (const int count : counts) {
    EXPECT_NEAR(count, 10'000, 500);  // 5 deviations of 91
  }
  EXPECT_EQ(stream.UniformInteger(4, 4), 4);
  (void)stream.UniformInteger(INT64_MIN, INT64_MAX);
  EXPECT_THROW((void)stream.UniformInteger(2, 1), InternalError);
}

}  // namespace
}  // namespace ridgeline

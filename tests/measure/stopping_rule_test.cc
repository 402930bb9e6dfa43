#include "calibration/measure/stopping_rule.h"

#include <gtest/gtest.h>

namespace ridgeline::measure {
namespace {

TEST(StoppingRuleTest, StopsWhenSamplesAgree) {
  StoppingRule rule({.least_samples = 4, .most_seconds = 10});
  for (int i = 0; i < 3; ++i) rule.Add(1.0, 0.001);
  EXPECT_FALSE(rule.IsDone());
  rule.Add(1.001, 0.001);
  EXPECT_TRUE(rule.IsDone());
  EXPECT_EQ(rule.reason(), "spread");
}

// 1, 2, 3, 4, 100: the median is 3; deviations 2, 1, 0, 1, 97 have the median 1: 1.4826 / 3.
TEST(StoppingRuleTest, OneOutlierMovesNeitherMedianNorSpread) {
  StoppingRule rule({});
  for (const double sample : {1.0, 2.0, 3.0, 4.0, 100.0}) rule.Add(sample, 0);
  EXPECT_DOUBLE_EQ(rule.Median(), 3.0);
  EXPECT_NEAR(rule.Spread(), 0.4942, 1e-12);
}

TEST(StoppingRuleTest, StopsWhenMoreSamplesDoNotHelp) {
  StoppingRule rule({.least_samples = 4, .most_samples = 100, .most_seconds = 10});
  for (int batch = 0; batch < 3 && !rule.IsDone(); ++batch) {
    for (const double sample : {1.0, 1.1, 0.9, 1.0}) rule.Add(sample, 0.001);
  }
  EXPECT_EQ(rule.reason(), "no better");
}

TEST(StoppingRuleTest, OneLongSampleIsNotEnough) {
  StoppingRule rule({.most_seconds = 0.04});
  rule.Add(1.0, 1.0);
  EXPECT_FALSE(rule.IsDone());
  rule.Add(2.0, 1.0);
  EXPECT_TRUE(rule.IsDone());
  EXPECT_EQ(rule.reason(), "time");
}

}  // namespace
}  // namespace ridgeline::measure

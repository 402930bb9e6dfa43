#include "planner/validation/score.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace ridgeline::validation {
namespace {

CaseOutcome Time(std::string id, double measured, double predicted) {
  return {.id = std::move(id),
          .metric = "step_time_s",
          .measured = measured,
          .predicted = predicted,
          .low = 0.9 * predicted,
          .high = 1.1 * predicted};
}

// Errors +10 %, -20 %, +30 %, 0 %: MAPE 15 %, bias +5 %, median 15 %, worst +30 %.
TEST(ScoreTest, MeanMedianBiasAndWorstByHand) {
  const std::vector<CaseOutcome> cases = {Time("a", 10, 11), Time("b", 10, 8), Time("c", 10, 13),
                                          Time("d", 10, 10)};
  const Accuracy accuracy = Score(cases);
  EXPECT_EQ(accuracy.scored, 4);
  EXPECT_NEAR(*accuracy.mape, 0.15, 1e-12);
  EXPECT_NEAR(*accuracy.bias, 0.05, 1e-12);
  EXPECT_NEAR(*accuracy.median_error, 0.15, 1e-12);
  // 0.9 of the way over {0, 0.1, 0.2, 0.3}: 2.7 steps, 0.27.
  EXPECT_NEAR(*accuracy.p90_error, 0.27, 1e-12);
  EXPECT_EQ(accuracy.worst->id, "c");
  EXPECT_NEAR(accuracy.worst->error, 0.30, 1e-12);
  // Ranges of +-10 %: 10 lies in [9.9, 12.1] and [9, 11], not in [7.2, 8.8] or [11.7, 14.3].
  EXPECT_NEAR(*accuracy.coverage, 0.5, 1e-12);
  EXPECT_NEAR(*accuracy.median_half_width, 0.1, 1e-12);
  EXPECT_FALSE(accuracy.skill);
}

// A rate predicted 25 % too high is a job predicted too fast: the sign points to less time.
TEST(ScoreTest, ErrorsOfRatesAreSignedTowardsTime) {
  CaseOutcome rate = Time("a", 100, 125);
  rate.is_rate = true;
  EXPECT_NEAR(rate.SignedError(), -0.25, 1e-12);
  EXPECT_NEAR(*Score(std::vector{rate}).bias, -0.25, 1e-12);
}

// Two times whose jobs ran at 40 % and 50 % MFU: at x the guess errs |0.4/x - 1| + |0.5/x - 1|;
// falling to 0.4 by neither, it is 0.25 at x = 0.4, 0.2 at x = 0.5, and in between (0.5 - 0.4)/x,
// which falls: the minimum is 0.5, mean 0.1.
TEST(ConstantMfuTest, TwoTimesByHand) {
  const ConstantMfuFit fit =
      FitConstantMfu(std::vector<ConstantMfuCase>{{.mfu = 0.4}, {.mfu = 0.5}});
  EXPECT_DOUBLE_EQ(fit.mfu, 0.5);
  EXPECT_NEAR(fit.mape, 0.1, 1e-12);
}

// As rates the errors are |x/0.4 - 1| + |x/0.5 - 1|; between them x (2.5 - 2): the minimum is at
// 0.4, mean 0.1.
TEST(ConstantMfuTest, TwoRatesByHand) {
  const ConstantMfuFit fit = FitConstantMfu(
      std::vector<ConstantMfuCase>{{.mfu = 0.4, .is_rate = true}, {.mfu = 0.5, .is_rate = true}});
  EXPECT_DOUBLE_EQ(fit.mfu, 0.4);
  EXPECT_NEAR(fit.mape, 0.1, 1e-12);
}

// A rate at 0.2 and a time at 0.8: between them x/0.2 - 1 + 0.8/x - 1, least at x = sqrt(0.8 / 5) =
// 0.4, where it is 2 + 2 - 2.
TEST(ConstantMfuTest, MixedCasesHaveTheirMinimumInside) {
  const std::vector<ConstantMfuCase> cases = {{.mfu = 0.2, .is_rate = true}, {.mfu = 0.8}};
  const ConstantMfuFit fit = FitConstantMfu(cases);
  EXPECT_NEAR(fit.mfu, 0.4, 1e-12);
  EXPECT_NEAR(fit.mape, 1.0, 1e-12);
}

TEST(ConstantMfuTest, NoOtherConstantIsBetter) {
  const std::vector<ConstantMfuCase> cases = {{.mfu = 0.31},
                                              {.mfu = 0.42, .is_rate = true},
                                              {.mfu = 0.55},
                                              {.mfu = 0.38, .is_rate = true},
                                              {.mfu = 0.47}};
  const ConstantMfuFit fit = FitConstantMfu(cases);
  for (double mfu = 0.2; mfu < 0.7; mfu += 0.0005) {
    double sum = 0.0;
    for (const ConstantMfuCase& c : cases) {
      sum += std::abs((c.is_rate ? mfu / c.mfu : c.mfu / mfu) - 1.0);
    }
    EXPECT_GE(sum / 5.0, fit.mape - 1e-9) << mfu;
  }
}

// The guess errs 10 % on average (above); predictions err 5 %: skill 1 - 5/10.
TEST(ScoreTest, SkillComparesWithTheFittedGuess) {
  std::vector<CaseOutcome> cases = {Time("a", 10, 10.5), Time("b", 8, 8.4)};
  cases[0].measured_mfu = 0.4;
  cases[1].measured_mfu = 0.5;
  const Accuracy accuracy = Score(cases);
  EXPECT_NEAR(*accuracy.mape_constant, 0.1, 1e-12);
  EXPECT_NEAR(*accuracy.skill, 0.5, 1e-9);
}

TEST(ScoreTest, OutOfMemoryIsAClassAndStaysOutOfTheErrors) {
  const auto oom = [](double measured, bool fits) {
    return CaseOutcome{.id = "x",
                       .metric = "oom",
                       .measured = measured,
                       .predicted = fits ? 0.0 : 1.0,
                       .is_class = true,
                       .fits = fits};
  };
  CaseOutcome ran = Time("ran", 10, 10);
  ran.fits = false;
  const Accuracy accuracy = Score(std::vector{oom(1, false), oom(1, true), oom(0, false), ran});
  EXPECT_EQ(accuracy.oom_hits, 1);
  EXPECT_EQ(accuracy.oom_misses, 1);
  EXPECT_EQ(accuracy.oom_false_alarms, 2);
  EXPECT_EQ(accuracy.scored, 1);
}

TEST(ScoreTest, SkippedCasesAreCountedByReasonAndNeverScored) {
  SuiteOutcome suite;
  suite.cases = {Time("a", 10, 11), Time("b", 1, 1), Time("c", 1, 1)};
  suite.cases[1].skip = SkipKind::kUnimplemented;
  suite.cases[1].reason = "not built yet: x";
  suite.cases[2].skip = SkipKind::kError;
  suite.cases[2].reason = "error: y";
  Summarise(suite);
  EXPECT_EQ(suite.accuracy.cases, 3);
  EXPECT_EQ(suite.accuracy.scored, 1);
  ASSERT_EQ(suite.skipped.size(), 2u);
  EXPECT_EQ(suite.skipped[0].kind, SkipKind::kUnimplemented);
  EXPECT_EQ(suite.skipped[1].reason, "error: y");
}

TEST(ToleranceTest, WithoutOneNothingFailsAndWithOneTheBoundPasses) {
  CaseOutcome c = Time("a", 10, 20);
  EXPECT_TRUE(c.IsWithinTolerance());
  c.tolerance = 0.5;
  EXPECT_FALSE(c.IsWithinTolerance());
  c.tolerance = 1.0;
  EXPECT_TRUE(c.IsWithinTolerance());
}

}  // namespace
}  // namespace ridgeline::validation

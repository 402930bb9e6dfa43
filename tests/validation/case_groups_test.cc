#include "planner/validation/case_groups.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "planner/validation/score.h"

namespace ridgeline::validation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CaseOutcome Outcome(std::string id, std::string metric, std::string group, bool is_held_out,
                    double predicted) {
  return {.id = std::move(id),
          .group = std::move(group),
          .metric = std::move(metric),
          .measured = 100,
          .predicted = predicted,
          .low = 0.8 * predicted,
          .high = 1.2 * predicted,
          .is_held_out = is_held_out};
}

// Times: a +10 %, b -20 %, c +4 %; memory of a 0 % and of b +2 %. a and b are held out.
SuiteOutcome ThreeCases() {
  SuiteOutcome suite{.name = "s", .has_halves = true, .is_by_metric = true};
  suite.cases = {Outcome("a", "step_time", "eager", true, 110),
                 Outcome("a", "memory.allocated", "eager", true, 100),
                 Outcome("b", "step_time", "compile", true, 80),
                 Outcome("b", "memory.allocated", "compile", true, 102),
                 Outcome("c", "pass_time", "graph", false, 104)};
  Summarise(suite);
  return suite;
}

std::map<std::string, Accuracy> ByName(const SuiteOutcome& suite) {
  std::map<std::string, Accuracy> groups;
  for (const Group& group : suite.groups) {
    groups.emplace(group.of.name, group.accuracy);
  }
  return groups;
}

// graph is all that measured pass_time: no line of its own.
TEST(CaseGroupsTest, MetricsHalvesAndKindsAreToldApart) {
  std::vector<std::string> names;
  const SuiteOutcome suite = ThreeCases();
  for (const Group& group : suite.groups) {
    names.push_back(group.of.name);
  }
  EXPECT_THAT(
      names,
      ElementsAre("step_time", "memory.allocated", "pass_time", "fit", "fit pass_time", "held-out",
                  "held-out step_time", "held-out memory.allocated", "eager step_time",
                  "eager memory.allocated", "compile step_time", "compile memory.allocated"));
}

TEST(CaseGroupsTest, FiguresOfAGroupAreThoseOfItsMeasurementsByHand) {
  const std::map<std::string, Accuracy> groups = ByName(ThreeCases());
  const Accuracy& times = groups.at("held-out step_time");
  EXPECT_EQ(times.cases, 2);
  EXPECT_EQ(times.scored, 2);
  EXPECT_NEAR(*times.mape, 0.15, 1e-12);
  EXPECT_EQ(times.worst->id, "b");
  // 0.9 of the way from 10 % to 20 %.
  EXPECT_NEAR(*times.p90_error, 0.19, 1e-12);
  // 100 lies in [88, 132], not in [64, 96].
  EXPECT_NEAR(*times.coverage, 0.5, 1e-12);
  // Half widths of 20 %, a median error of 15 %.
  EXPECT_NEAR(*times.width_over_error, 4.0 / 3.0, 1e-12);
  EXPECT_NEAR(*groups.at("memory.allocated").mape, 0.01, 1e-12);
  EXPECT_FALSE(groups.at("eager memory.allocated").width_over_error);  // no error to compare with
}

TEST(CaseGroupsTest, ACaseWithTwoMetricsIsOneCaseAndTwoScores) {
  const SuiteOutcome suite = ThreeCases();
  EXPECT_EQ(suite.accuracy.cases, 3);
  EXPECT_EQ(suite.accuracy.scored, 5);
}

TEST(CaseGroupsTest, ASkippedCaseIsListedWithEachMetricThatItMeasured) {
  SuiteOutcome suite = ThreeCases();
  suite.cases.push_back({.id = "d",
                         .group = "eager",
                         .metric = "memory.allocated",
                         .skip = SkipKind::kUnimplemented,
                         .reason = "not built yet: x",
                         .skipped_metrics = {"memory.allocated", "step_time"}});
  Summarise(suite);
  const std::map<std::string, Accuracy> groups = ByName(suite);
  EXPECT_EQ(groups.at("step_time").cases, 3);
  EXPECT_EQ(groups.at("step_time").scored, 2);
  EXPECT_EQ(groups.at("fit").cases, 2);
}

TEST(CaseGroupsTest, AGroupAloneIsScoredAnew) {
  const ValidationReport report{.suites = {ThreeCases()}};
  const Result<ValidationReport> kind = OnlyGroup(report, "compile");
  ASSERT_TRUE(kind) << RenderError(kind.error());
  EXPECT_EQ(kind->suites.front().cases.size(), 2u);
  const Result<ValidationReport> half = OnlyGroup(report, "held-out step_time");
  ASSERT_TRUE(half) << RenderError(half.error());
  EXPECT_NEAR(*half->suites.front().accuracy.mape, 0.15, 1e-12);
  const Result<ValidationReport> none = OnlyGroup(report, "compile step_tme");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().hint, HasSubstr("compile step_time"));
}

// One case that measured two things and does not fit is one false alarm.
TEST(CaseGroupsTest, AFalseAlarmCountsOnceACase) {
  SuiteOutcome suite = ThreeCases();
  suite.cases[0].fits = false;
  suite.cases[1].fits = false;
  Summarise(suite);
  EXPECT_EQ(suite.accuracy.oom_false_alarms, 1);
}

}  // namespace
}  // namespace ridgeline::validation

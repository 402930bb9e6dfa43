#include "planner/validation/pair_outcome.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "planner/validation/suite.h"
#include "planner/validation/validation_report.h"

namespace ridgeline::validation {
namespace {

using ::testing::HasSubstr;

PairOutcome Figures(double measured_from, double measured_to, double predicted_from,
                    double predicted_to, double noise = 0.0) {
  return {.measured_from = measured_from,
          .measured_to = measured_to,
          .predicted_from = predicted_from,
          .predicted_to = predicted_to,
          .noise = noise};
}

// Measured 100 to 70: -30. A third of it is 10: predicted differences from -40 to -20 are within.
TEST(PairVerdictTest, WithinAThirdOfTheMeasuredDifferenceByHand) {
  EXPECT_EQ(Judge(Figures(100, 70, 110, 80)), PairVerdict::kWithinThird);  // -30
  EXPECT_EQ(Judge(Figures(100, 70, 100, 80)), PairVerdict::kWithinThird);  // -20, the bound
  EXPECT_EQ(Judge(Figures(100, 70, 100, 60)), PairVerdict::kWithinThird);  // -40, the bound
  EXPECT_EQ(Judge(Figures(100, 70, 100, 81)), PairVerdict::kRightSign);    // -19
  EXPECT_EQ(Judge(Figures(100, 70, 100, 50)), PairVerdict::kRightSign);    // -50
  EXPECT_EQ(Judge(Figures(100, 70, 100, 101)), PairVerdict::kWrongSign);   // +1
  EXPECT_EQ(Judge(Figures(100, 70, 100, 100)), PairVerdict::kWrongSign);   // none at all
}

TEST(PairVerdictTest, ADifferenceBelowTheNoiseDecidesNothing) {
  EXPECT_EQ(Judge(Figures(100, 99, 100, 120, 1.5)), PairVerdict::kUndecided);
  EXPECT_EQ(Judge(Figures(100, 98, 100, 98, 1.5)), PairVerdict::kWithinThird);
  EXPECT_EQ(Judge(Figures(100, 100, 100, 120)), PairVerdict::kUndecided);
}

CaseOutcome Time(std::string id, double measured, double predicted) {
  return {.id = std::move(id),
          .metric = "step_time",
          .measured = measured,
          .predicted = predicted,
          .low = predicted,
          .high = predicted};
}

Suite SuiteOf(Half half) {
  Suite suite{.held_out = HeldOutRule::kOddSha256, .half = half, .is_by_metric = true};
  suite.cases = {{.id = "c", .spread = 0.03},
                 {.id = "d", .spread = 0.04},
                 {.id = "a", .is_held_out = true},
                 {.id = "b", .is_held_out = true}};
  suite.pairs = {
      {.from = "c", .to = "d", .what = "compiled", .metric = "step_time"},
      {.from = "c", .to = "a", .what = "compiled", .metric = "step_time", .is_held_out = true},
      {.from = "a", .to = "b", .what = "schedule", .metric = "step_time", .is_held_out = true}};
  return suite;
}

// c to d: 100 to 104; the noise is sqrt((3 % x 100)^2 + (4 % x 104)^2) = sqrt(9 + 17.3056) = 5.129,
// more than 4. c to a: 100 to 60 measured and 100 to 65 predicted: -40 and -35, noise 3; within.
// a to b: 60 to 50 measured, 65 to 70 predicted: the wrong sign.
std::vector<CaseOutcome> Outcomes() {
  return {Time("c", 100, 100), Time("d", 104, 100), Time("a", 60, 65), Time("b", 50, 70)};
}

TEST(PairsTest, AllAreJudgedAndCountedByHalfAndByWhatDiffers) {
  const std::vector<PairOutcome> pairs = JudgePairs(SuiteOf(Half::kAll), Outcomes());
  ASSERT_EQ(pairs.size(), 3u);
  EXPECT_NEAR(pairs[0].noise, 5.12889, 1e-5);
  EXPECT_EQ(pairs[0].verdict, PairVerdict::kUndecided);
  EXPECT_NEAR(pairs[1].noise, 3.0, 1e-12);
  EXPECT_EQ(pairs[1].verdict, PairVerdict::kWithinThird);
  EXPECT_EQ(pairs[2].verdict, PairVerdict::kWrongSign);
  const std::vector<PairCount> counts = CountPairs(pairs, true);
  // all, fit, held-out, compiled, schedule
  ASSERT_EQ(counts.size(), 5u);
  EXPECT_EQ(counts[0].pairs, 3);
  EXPECT_EQ(counts[0].judged, 2);
  EXPECT_EQ(counts[0].right_sign, 1);
  EXPECT_EQ(counts[0].within_third, 1);
  EXPECT_EQ(counts[0].undecided, 1);
  EXPECT_EQ(counts[1].name, "fit");
  EXPECT_EQ(counts[1].pairs, 1);
  EXPECT_EQ(counts[1].judged, 0);
  EXPECT_EQ(counts[2].name, "held-out");
  EXPECT_EQ(counts[2].judged, 2);
  EXPECT_EQ(counts[3].name, "compiled");
  EXPECT_EQ(counts[3].pairs, 2);
  EXPECT_EQ(counts[4].name, "schedule");
  EXPECT_EQ(counts[4].right_sign, 0);
}

TEST(PairsTest, AHalfJudgesItsOwnPairsOnly) {
  const std::vector<PairOutcome> fit = JudgePairs(SuiteOf(Half::kFit), Outcomes());
  EXPECT_EQ(fit[0].verdict, PairVerdict::kUndecided);
  EXPECT_EQ(fit[1].verdict, PairVerdict::kNotJudged);
  EXPECT_EQ(fit[1].reason, "held out");
  EXPECT_EQ(fit[1].measured_from, 0.0);
  const std::vector<PairOutcome> held_out = JudgePairs(SuiteOf(Half::kHeldOut), Outcomes());
  EXPECT_EQ(held_out[0].verdict, PairVerdict::kNotJudged);
  EXPECT_EQ(held_out[1].verdict, PairVerdict::kWithinThird);
  EXPECT_EQ(held_out[2].verdict, PairVerdict::kWrongSign);
}

TEST(PairsTest, ACaseThatWasNotSimulatedLeavesItsPairWithTheReason) {
  std::vector<CaseOutcome> outcomes = Outcomes();
  outcomes[3] = {.id = "b",
                 .skip = SkipKind::kUnimplemented,
                 .reason = "not built yet: x",
                 .skipped_metrics = {"step_time"}};
  const std::vector<PairOutcome> pairs = JudgePairs(SuiteOf(Half::kAll), outcomes);
  EXPECT_EQ(pairs[2].verdict, PairVerdict::kNotJudged);
  EXPECT_EQ(pairs[2].reason, "b: not built yet: x");
}

Result<Suite> Read(const std::string& pairs) {
  const Result<Node> document = ParseDocument("suite.yaml", R"(name: x
source: y
cases:
  - {id: eager, scenario: {}, measured: {step_time: 1 s, memory.peak: 2 GB}}
  - {id: compiled, scenario: {}, measured: {step_time: 1 s, memory.peak: 1 GB}}
  - {id: decode, scenario: {}, measured: {pass_time: 1 ms}}
pairs:
)" + pairs);
  return document ? ReadYamlSuite(*document) : Fail(document.error());
}

TEST(PairsOfASuiteTest, TheMetricIsATimeUnlessItSaysAnother) {
  const Result<Suite> suite = Read(
      "  - {from: eager, to: compiled, what: compiled}\n"
      "  - {from: eager, to: compiled, what: compiled, metric: memory.peak}\n");
  ASSERT_TRUE(suite) << RenderError(suite.error());
  EXPECT_EQ(suite->pairs[0].metric, "step_time");
  EXPECT_EQ(suite->pairs[1].metric, "memory.peak");
}

TEST(PairsOfASuiteTest, MistakesSayWhereTheyAre) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> bad = {
      {"  - {from: eagr, to: compiled, what: x}\n", {"suite.yaml:8:12", "eagr", "eager"}},
      {"  - {from: eager, to: compild, what: x}\n", {"suite.yaml:8:23", "compild", "compiled"}},
      {"  - {from: eager, to: eager, what: x}\n", {"suite.yaml:8:5", "itself"}},
      {"  - {from: eager, to: decode, what: x}\n", {"suite.yaml:8:5", "no metric"}},
      {"  - {from: eager, to: compiled, what: x, metric: pass_time}\n",
       {"suite.yaml:8:50", "eager did not measure pass_time"}},
      {"  - {from: eager, to: compiled, what: x}\n  - {from: compiled, to: eager, what: y}\n",
       {"suite.yaml:9:5", "duplicate pair"}},
      {"  - {from: eager, to: compiled}\n", {"suite.yaml:8", "what"}},
      {"  - {from: eager, to: compiled, what: x, sign: 1}\n", {"suite.yaml:8", "sign"}}};
  for (const auto& [text, parts] : bad) {
    const Result<Suite> suite = Read(text);
    ASSERT_FALSE(suite) << text;
    for (const std::string& part : parts) {
      EXPECT_THAT(RenderError(suite.error()), HasSubstr(part)) << text;
    }
  }
}

TEST(PairsOfASuiteTest, ASpreadIsNotNegative) {
  const Result<Node> document = ParseDocument("suite.yaml", std::string(R"(name: x
source: y
cases:
  - {id: a, scenario: {}, measured: {step_time: 1 s}, spread: -1 %}
)"));
  const Result<Suite> suite = ReadYamlSuite(*document);
  ASSERT_FALSE(suite);
  EXPECT_THAT(RenderError(suite.error()), HasSubstr("suite.yaml:4:63"));
  EXPECT_THAT(RenderError(suite.error()), HasSubstr("at least 0"));
}

}  // namespace
}  // namespace ridgeline::validation

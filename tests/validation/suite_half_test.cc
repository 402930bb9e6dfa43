#include "planner/validation/suite_half.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "planner/validation/suite.h"

namespace ridgeline::validation {
namespace {

using ::testing::HasSubstr;

Result<Suite> Read(std::string text, Half half) {
  const Result<Node> document = ParseDocument("suite.yaml", std::move(text));
  return document ? ReadYamlSuite(*document, half) : Fail(document.error());
}

// sha256("a") ends in b, sha256("b") in d, sha256("c") in 6, sha256("d") in 4.
constexpr const char* kFour = R"(
name: four
source: nobody
held_out: odd-sha256
tolerance: {memory.allocated: 5 %}
cases:
  - {id: a, scenario: {training: {}}, measured: {step_time: 1 s, memory.allocated: 2 GB}}
  - {id: b, scenario: {training: {}}, measured: {step_time: 3 s}}
  - {id: c, scenario: {training: {}}, measured: {step_time: 4 s}}
  - {id: d, scenario: {forward: {}}, measured: {pass_time: 5 s}, group: graph}
pairs:
  - {from: c, to: b, what: mixed}
)";

TEST(SuiteHalfTest, TheLastDigitOfTheSha256Decides) {
  EXPECT_TRUE(IsHeldOut(HeldOutRule::kOddSha256, "a"));
  EXPECT_TRUE(IsHeldOut(HeldOutRule::kOddSha256, "b"));
  EXPECT_FALSE(IsHeldOut(HeldOutRule::kOddSha256, "c"));
  EXPECT_FALSE(IsHeldOut(HeldOutRule::kOddSha256, "d"));
}

TEST(SuiteHalfTest, TheFitHalfHoldsNoValueOfAHeldOutCase) {
  const Result<Suite> suite = Read(kFour, Half::kFit);
  ASSERT_TRUE(suite) << RenderError(suite.error());
  ASSERT_EQ(suite->cases.size(), 4u);
  for (const Case& one : suite->cases) {
    EXPECT_EQ(one.measured.empty(), one.is_held_out) << one.id;
    EXPECT_FALSE(one.metrics.empty()) << one.id;
    EXPECT_EQ(one.scenario.Find("measured"), nullptr) << one.id;
  }
  EXPECT_TRUE(suite->cases[0].is_held_out);
  EXPECT_TRUE(suite->cases[1].is_held_out);
}

TEST(SuiteHalfTest, AWithheldValueIsNotEvenCheckedAndOthersAre) {
  const auto with = [](const std::string& id) {
    return "name: x\nsource: y\nheld_out: odd-sha256\ncases:\n  - {id: " + id +
           ", scenario: {}, measured: {step_time: 5}}\n";
  };
  EXPECT_TRUE(Read(with("a"), Half::kFit));
  EXPECT_FALSE(Read(with("a"), Half::kAll));
  EXPECT_FALSE(Read(with("c"), Half::kFit));
}

TEST(SuiteHalfTest, TheOtherHalvesHoldAllValues) {
  for (const Half half : {Half::kAll, Half::kHeldOut}) {
    const Result<Suite> suite = Read(kFour, half);
    ASSERT_TRUE(suite) << RenderError(suite.error());
    for (const Case& one : suite->cases) {
      EXPECT_FALSE(one.measured.empty()) << one.id;
    }
  }
}

TEST(SuiteHalfTest, APairWithOneHeldOutCaseIsHeldOut) {
  const Result<Suite> suite = Read(kFour, Half::kFit);
  ASSERT_TRUE(suite) << RenderError(suite.error());
  ASSERT_EQ(suite->pairs.size(), 1u);
  EXPECT_TRUE(suite->pairs[0].is_held_out);
  EXPECT_EQ(suite->pairs[0].metric, "step_time");
}

TEST(SuiteHalfTest, AHalfOfASuiteWithoutARuleIsRefusedAtItsName) {
  const Result<Suite> suite = Read("name: plain\nsource: y\ncases: []\n", Half::kFit);
  ASSERT_FALSE(suite);
  EXPECT_EQ(suite.error().code, ErrorCode::kFailedPrecondition);
  const std::string text = RenderError(suite.error());
  EXPECT_THAT(text, HasSubstr("suite.yaml:1:7"));
  EXPECT_THAT(text, HasSubstr("held_out: odd-sha256"));
}

TEST(SuiteHalfTest, AnUnknownRuleNamesTheKnownOne) {
  const Result<Suite> suite =
      Read("name: x\nsource: y\nheld_out: odd-sha265\ncases: []\n", Half::kAll);
  ASSERT_FALSE(suite);
  const std::string text = RenderError(suite.error());
  EXPECT_THAT(text, HasSubstr("suite.yaml:3:11"));
  EXPECT_THAT(text, HasSubstr("odd-sha256"));
}

TEST(SuiteHalfTest, ACaseWithoutAGroupHasTheKindOfItsScenario) {
  const Result<Suite> suite = Read(kFour, Half::kAll);
  ASSERT_TRUE(suite) << RenderError(suite.error());
  EXPECT_EQ(suite->cases[0].group, "training");
  EXPECT_EQ(suite->cases[3].group, "graph");
}

}  // namespace
}  // namespace ridgeline::validation

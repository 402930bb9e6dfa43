#include "planner/validation/suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"

namespace ridgeline::validation {
namespace {

using ::testing::HasSubstr;

Result<Suite> Read(std::string text) {
  const Result<Node> document = ParseDocument("suite.yaml", std::move(text));
  return document ? ReadYamlSuite(*document) : Fail(document.error());
}

// The shape that the design shows, with its invented figures.
constexpr const char* kExample = R"(
name: our-pytorch-steps
source: measured on one H100 SXM, PyTorch 2.11
tolerance: {step_time: 10 %, memory.allocated: 5 %}
cases:
  - id: llama-8b-12l-6k
    scenario: {cluster: {nodes: hgx-h100, count: 1}, training: {model: llama-3.1-8b, layers: 12, gpus: 1, framework: pytorch-compile}}
    measured: {step_time: 250 ms, memory.allocated: 45 GB}
)";

TEST(SuiteTest, ReadsTheShapeOfTheDesign) {
  const Result<Suite> suite = Read(kExample);
  ASSERT_TRUE(suite) << RenderError(suite.error());
  EXPECT_EQ(suite->name, "our-pytorch-steps");
  EXPECT_DOUBLE_EQ(suite->tolerance.at("step_time"), 0.1);
  ASSERT_EQ(suite->cases.size(), 1u);
  const Case& one = suite->cases.front();
  ASSERT_EQ(one.measured.size(), 2u);
  EXPECT_EQ(one.measured[0].metric, "memory.allocated");
  EXPECT_DOUBLE_EQ(one.measured[0].value, 45e9);
  EXPECT_DOUBLE_EQ(one.measured[1].value, 0.25);
  EXPECT_NE(one.scenario.Find("training"), nullptr);
}

TEST(SuiteTest, EveryErrorIsReportedWithItsPlace) {
  const Result<Suite> suite = Read(R"(
name: bad
source: nobody
tolerance: {mfu: 5 %}
cases:
  - {id: a, scenario: {}, measured: {step_tme: 1 s}}
  - {id: a, scenario: {}, measured: {step_time: 5}}
  - {id: b, scenario: {}, measured: {step_time: -1 s}}
  - {id: c, scenario: {}, measured: {}}
)");
  ASSERT_FALSE(suite);
  const std::string text = RenderError(suite.error());
  EXPECT_THAT(text, HasSubstr("unknown metric: step_tme"));
  EXPECT_THAT(text, HasSubstr("step_time"));
  EXPECT_THAT(text, HasSubstr("duplicate id: a"));
  EXPECT_THAT(text, HasSubstr("a case without a measurement: c"));
  EXPECT_THAT(text, HasSubstr("unit"));
  EXPECT_THAT(text, HasSubstr("tolerance of a metric that no case measures: mfu"));
  EXPECT_THAT(text, HasSubstr("suite.yaml:6"));
}

TEST(SuiteTest, UnknownKeysAreRefused) {
  const Result<Suite> suite = Read("name: x\nsource: y\ncases: []\ntolerence: {}\n");
  ASSERT_FALSE(suite);
  EXPECT_THAT(RenderError(suite.error()), HasSubstr("tolerance"));
}

}  // namespace
}  // namespace ridgeline::validation

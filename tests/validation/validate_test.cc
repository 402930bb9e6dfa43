#include "planner/validation/validate.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/diagnostic.h"
#include "planner/validation/case_groups.h"
#include "planner/validation/model_state.h"
#include "planner/validation/validation_json.h"
#include "planner/validation/validation_text.h"
#include "service/calibrations/calibration_source.h"
#include "sim/simulate.h"

namespace ridgeline::validation {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

const fs::path kConfigs = fs::path(RIDGELINE_SOURCE_DIR) / "configs";

/// As the command line has it: measured costs where a GPU was measured.
const hardware::Catalog& Configs() {
  static const hardware::Catalog catalog = [] {
    hardware::Catalog made({kConfigs});
    made.set_cost_source(
        calibrations::MakeCostSource({kConfigs}, std::string(calibrations::kAuto)).value());
    return made;
  }();
  return catalog;
}

const ValidationReport& Training() {
  static const ValidationReport report = [] {
    Result<ValidationReport> result = Validate({"training"}, Configs(), {});
    if (!result) {
      throw std::runtime_error(RenderError(result.error()));
    }
    return *std::move(result);
  }();
  return report;
}

TEST(ValidateTest, EveryPublishedRowIsScoredOrListedWithItsReason) {
  const SuiteOutcome& suite = Training().suites.front();
  ASSERT_EQ(suite.cases.size(), 224u);
  int64_t skipped = 0;
  for (const SkipCount& skip : suite.skipped) {
    EXPECT_FALSE(skip.reason.empty());
    EXPECT_NE(skip.kind, SkipKind::kError) << skip.reason << " (" << skip.cases << ")";
    skipped += skip.cases;
  }
  int64_t classes = 0;
  for (const CaseOutcome& c : suite.cases) {
    classes += c.skip == SkipKind::kNone && c.is_class ? 1 : 0;
  }
  EXPECT_EQ(suite.accuracy.scored + skipped + classes, 224);
}

TEST(ValidateTest, DenseCoreRowsHaveAllTheirFigures) {
  const Result<ValidationReport> core = OnlyGroup(Training(), kReadmeGroup);
  ASSERT_TRUE(core) << RenderError(core.error());
  const Accuracy& accuracy = core->suites.front().accuracy;
  EXPECT_GT(accuracy.scored, 10);
  EXPECT_TRUE(accuracy.mape && accuracy.bias && accuracy.skill && accuracy.coverage);
}

TEST(ValidateTest, EveryFactorBelowPeakNamesItsSource) {
  EXPECT_FALSE(Training().factors.empty());
  for (const sim::Assumption& factor : Training().factors) {
    EXPECT_FALSE(factor.source.empty()) << factor.what;
  }
}

TEST(ValidateTest, WithoutTolerancesNothingFails) { EXPECT_TRUE(Training().IsWithinTolerance()); }

TEST(ValidateTest, ATooTightToleranceFails) {
  const fs::path file = fs::path(::testing::TempDir()) / "tight.yaml";
  std::ofstream(file) << R"(
name: tight
source: test
tolerance: {step_time: 0.1 %}
cases:
  - id: one
    scenario: {cluster: {nodes: dgx-h100, count: 1}, training: {model: llama-3.1-8b, layers: 2, sequence_length: 2048, global_batch: 8}}
    measured: {step_time: 1000 s}
)";
  const Result<ValidationReport> report = Validate({file.string()}, Configs(), {});
  ASSERT_TRUE(report) << RenderError(report.error());
  EXPECT_EQ(report->suites.front().cases.front().skip, SkipKind::kNone)
      << report->suites.front().cases.front().reason;
  EXPECT_FALSE(report->IsWithinTolerance());
}

TEST(ValidateTest, AMistakeInAScenarioNamesItsPlaceAndFailsItsTolerance) {
  const fs::path file = fs::path(::testing::TempDir()) / "mistake.yaml";
  std::ofstream(file) << R"(
name: mistake
source: test
tolerance: {step_time: 10 %}
cases:
  - id: one
    scenario: {cluster: {nodes: dgx-h100, count: 1}, training: {model: llama-3.1-8b}}
    measured: {step_time: 1 s}
)";
  const Result<ValidationReport> report = Validate({file.string()}, Configs(), {});
  ASSERT_TRUE(report) << RenderError(report.error());
  const CaseOutcome& outcome = report->suites.front().cases.front();
  EXPECT_EQ(outcome.skip, SkipKind::kError);
  EXPECT_THAT(outcome.reason, HasSubstr("mistake.yaml:7:"));
  EXPECT_THAT(outcome.reason, HasSubstr("sequence_length"));
  EXPECT_FALSE(report->IsWithinTolerance());
}

TEST(ValidateTest, AnUnknownSuiteIsAnErrorWithTheNearest) {
  const Result<ValidationReport> report = Validate({"trainning"}, Configs(), {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(report.error().hint, HasSubstr("training"));
}

TEST(ValidateTest, StoppingKeepsWhatIsFinishedAndSaysPartial) {
  std::stop_source source;
  source.request_stop();
  const Result<ValidationReport> report =
      Validate({"training"}, Configs(), {.stop = Stop(source.get_token())});
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->is_partial);
}

TEST(ValidationJsonTest, HasTheKeysOfTheDesign) {
  const auto json = nlohmann::json::parse(WriteValidationJson(Training()));
  const auto& suite = json.at("suites").at(0);
  for (const char* key : {"name", "cases", "mape", "median_error", "p90_error", "bias", "worst",
                          "skill", "coverage", "median_half_width", "groups"}) {
    EXPECT_TRUE(suite.contains(key)) << key;
  }
  EXPECT_EQ(suite.at("cases").size(), 224u);
  for (const auto& one : suite.at("cases")) {
    EXPECT_TRUE(one.contains("id"));
    EXPECT_TRUE(one.contains("skipped") ||
                (one.contains("metric") && one.contains("measured") && one.contains("predicted") &&
                 one.contains("low") && one.contains("high") && one.contains("evidence")));
  }
}

// Against the simulator: what it counts for weights, gradients and states of a whole job on one
// rank is the closed form times the parameters on that rank.
TEST(ModelStateTest, ClosedFormAgreesWithTheSimulator) {
  for (const char* sharding : {"none", "ddp", "zero-1"}) {
    const Result<Node> document = ParseDocument("s.yaml", std::string(R"(
cluster: {nodes: dgx-h100, count: 1}
training: {model: llama-3.1-8b, layers: 4, sequence_length: 2048, global_batch: 8, sharding: )") +
                                                              sharding + "}\n");
    ASSERT_TRUE(document);
    const Result<sim::Scenario> scenario = sim::ResolveScenario(*document, Configs());
    ASSERT_TRUE(scenario) << RenderError(scenario.error());
    const Result<sim::Report> report = sim::Simulate(*scenario, {});
    ASSERT_TRUE(report) << RenderError(report.error());
    double bytes = 0.0;
    for (const char* name : {"memory.weights", "memory.gradients", "memory.optimizer"}) {
      ASSERT_NE(report->Find(name), nullptr) << name;
      bytes += report->Find(name)->value;
    }
    const double parameters =
        static_cast<double>(workloads::CountParameters(scenario->training->model).total);
    const double expected = ModelStateBytesPerParameter(scenario->training->framework.dtypes,
                                                        scenario->training->sharding, 8)
                                .base();
    EXPECT_NEAR(bytes / parameters / expected, 1.0, 1e-6) << sharding;
  }
}

// Rewrites the block when RIDGELINE_UPDATE_README is set.
TEST(ReadmeTest, TableIsWhatTheCommandPrints) {
  const Result<ValidationReport> core = OnlyGroup(Training(), kReadmeGroup);
  ASSERT_TRUE(core) << RenderError(core.error());
  const std::string block = WriteValidationText(*core, TextStyle::kMarkdown);
  const fs::path file = kConfigs / "validation" / "README.md";
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  const Result<std::string> expected = ReplaceReadmeBlock(text.str(), block);
  ASSERT_TRUE(expected) << RenderError(expected.error());
  if (std::getenv("RIDGELINE_UPDATE_README") != nullptr) {
    std::ofstream(file) << *expected;
    return;
  }
  EXPECT_EQ(text.str(), *expected)
      << "configs/validation/README.md is out of date; write it anew with\n"
         "  RIDGELINE_UPDATE_README=1 build/.../validation_test --gtest_filter=ReadmeTest.*";
}

}  // namespace
}  // namespace ridgeline::validation

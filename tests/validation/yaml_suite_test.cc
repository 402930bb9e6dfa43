// Suites in YAML from end to end: what may stand in one, and what comes out.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/diagnostic.h"
#include "planner/validation/validate.h"
#include "planner/validation/validation_json.h"
#include "planner/validation/validation_text.h"

namespace ridgeline::validation {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

/// The roofline: these tests ask what is compared, not how well.
const hardware::Catalog& Configs() {
  static const hardware::Catalog catalog({fs::path(RIDGELINE_SOURCE_DIR) / "configs"});
  return catalog;
}

ValidationReport Validated(const std::string& name, const std::string& text,
                           const ValidateOptions& options = {}) {
  const fs::path file = fs::path(::testing::TempDir()) / (name + ".yaml");
  std::ofstream(file) << text;
  Result<ValidationReport> report = Validate({file.string()}, Configs(), options);
  if (!report) {
    throw std::runtime_error(RenderError(report.error()));
  }
  return *std::move(report);
}

constexpr const char* kOneGpu = R"(cluster: {nodes: hgx-h100, count: 1})";

std::string Case(const std::string& id, const std::string& block, const std::string& measured) {
  return "  - {id: " + id + ", scenario: {" + kOneGpu + ", " + block + "}, measured: {" + measured +
         "}}\n";
}

std::string Training(const std::string& model, const std::string& more) {
  return "training: {model: " + model +
         ", sequence_length: 1024, global_batch: 1, gpus: 1, framework: pytorch-eager" + more + "}";
}

std::string Head(const std::string& more = {}) {
  return "name: s\nsource: nobody\n" + more + "cases:\n";
}

TEST(YamlSuiteTest, AnythingMayBeGivenInlineOverItsBase) {
  const ValidationReport report = Validated(
      "inline",
      Head() + Case("layers", Training("llama-3.1-8b", ", layers: 2"), "step_time: 20 ms") +
          Case(
              "model",
              Training("{base: llama-3.1-8b, num_hidden_layers: 2, hidden_size: 2048}", ""),
              "step_time: 20 ms, memory.peak: 9 GB, mfu: 30 %, tokens_per_second: 50000 tokens/s") +
          Case("framework",
               "training: {model: llama-3.1-8b, layers: 2, sequence_length: 1024, global_batch: 1, "
               "gpus: 1, framework: {base: pytorch-eager, default_sharding: none}}",
               "step_time: 20 ms, memory.allocated: 9 GiB") +
          Case("prefill",
               "forward: {model: llama-3.1-8b, layers: 4, phase: prefill, batch: 1, context: 1024, "
               "framework: pytorch-graph}",
               "pass_time: 9 ms, tokens_per_second: 100000") +
          Case("decode",
               "forward: {model: {base: llama-3.1-8b, num_hidden_layers: 4}, phase: decode, "
               "batch: 4, context: 512, parallelism: {tp: 2}, framework: pytorch-graph}",
               "pass_time: 900 us, memory.peak: 4 GB"));
  const SuiteOutcome& suite = report.suites.front();
  EXPECT_EQ(suite.cases.size(), 11u);
  for (const CaseOutcome& c : suite.cases) {
    EXPECT_EQ(c.skip, SkipKind::kNone) << c.id << " " << c.metric << ": " << c.reason;
    EXPECT_GT(c.predicted, 0.0) << c.id << " " << c.metric;
  }
}

// 70 billion parameters of 2 bytes do not fit 80 GB, a layer of them does.
TEST(YamlSuiteTest, OutOfMemoryIsAClass) {
  const ValidationReport report =
      Validated("oom", Head() + Case("whole", Training("llama-3.1-70b", ""), "oom: true") +
                           Case("layer", Training("llama-3.1-70b", ", layers: 1"), "oom: true") +
                           Case("ran", Training("llama-3.1-70b", ""), "step_time: 1 s, mfu: 10 %"));
  const Accuracy& accuracy = report.suites.front().accuracy;
  EXPECT_EQ(accuracy.oom_hits, 1);
  EXPECT_EQ(accuracy.oom_misses, 1);
  EXPECT_EQ(accuracy.oom_false_alarms, 1);
  EXPECT_EQ(accuracy.scored, 2);
}

TEST(YamlSuiteTest, WhatIsNotBuiltOrNotThereIsListedWithItsReason) {
  const ValidationReport report = Validated(
      "skips",
      Head() +
          Case("int8",
               "training: {model: llama-3.1-8b, sequence_length: 1024, global_batch: 2, "
               "gpus: 2, precision: int8}",
               "step_time: 1 s") +
          Case("wrong", Training("llama-3.1-8b", ", layers: 2"), "pass_time: 1 s, step_time: 1 s"));
  const std::vector<CaseOutcome>& cases = report.suites.front().cases;
  ASSERT_EQ(cases.size(), 3u);
  EXPECT_EQ(cases[0].skip, SkipKind::kUnimplemented) << cases[0].reason;
  EXPECT_EQ(cases[1].skip, SkipKind::kError);
  EXPECT_THAT(cases[1].reason, HasSubstr("a training step has no metric pass_time"));
  EXPECT_EQ(cases[2].skip, SkipKind::kNone);
}

/// Ids c and d are to be fitted, a and b are held out (their sha256 end in 6, 4, b, d).
std::string Halves() {
  std::string text = Head("held_out: odd-sha256\n");
  int layers = 1;
  for (const char* id : {"a", "b", "c", "d"}) {
    text += Case(id, Training("llama-3.1-8b", ", layers: " + std::to_string(layers)),
                 "step_time: " + std::to_string(777 + layers) + " ms");
    ++layers;
  }
  return text + "pairs:\n  - {from: c, to: d, what: depth}\n  - {from: c, to: a, what: depth}\n" +
         "  - {from: a, to: b, what: depth}\n";
}

TEST(YamlSuiteTest, TheFitHalfPrintsNothingThatWasMeasuredOnHeldOutCases) {
  const ValidationReport report = Validated("fit", Halves(), {.half = Half::kFit});
  const SuiteOutcome& suite = report.suites.front();
  EXPECT_EQ(suite.accuracy.scored, 2);
  EXPECT_EQ(suite.accuracy.cases, 4);
  const std::string json = WriteValidationJson(report);
  for (const TextStyle style : {TextStyle::kTable, TextStyle::kMarkdown, TextStyle::kCsv}) {
    const std::string text = WriteValidationText(report, style) + json;
    EXPECT_THAT(text, Not(HasSubstr("0.778")));
    EXPECT_THAT(text, Not(HasSubstr("0.779")));
    EXPECT_THAT(text, HasSubstr("0.78"));  // c
    EXPECT_THAT(text, HasSubstr("held out"));
  }
  ASSERT_EQ(suite.pair_counts.front().name, "all");
  EXPECT_EQ(suite.pair_counts.front().judged, 1);
}

TEST(YamlSuiteTest, TheHeldOutHalfScoresItsOwnAndJudgesPairsOfBoth) {
  const ValidationReport report = Validated("held", Halves(), {.half = Half::kHeldOut});
  const SuiteOutcome& suite = report.suites.front();
  EXPECT_EQ(suite.accuracy.scored, 2);
  for (const CaseOutcome& c : suite.cases) {
    EXPECT_EQ(c.skip == SkipKind::kNone, c.is_held_out) << c.id;
  }
  EXPECT_EQ(suite.pair_counts.front().judged, 2);
}

TEST(YamlSuiteTest, AllTellsTheHalvesApart) {
  const auto json = nlohmann::json::parse(WriteValidationJson(Validated("all", Halves())));
  const auto& suite = json.at("suites").at(0);
  EXPECT_EQ(suite.at("half"), "all");
  int halves = 0;
  for (const auto& group : suite.at("groups")) {
    if (group.at("name") == "fit" || group.at("name") == "held-out") {
      EXPECT_EQ(group.at("scored"), 2);
      EXPECT_EQ(group.at("half"), group.at("name"));
      EXPECT_TRUE(group.at("width_over_error").is_number());
      ++halves;
    }
  }
  EXPECT_EQ(halves, 2);
  ASSERT_EQ(suite.at("pairs").size(), 3u);
  const auto& pair = suite.at("pairs").at(0);
  // c is 780 ms and d 781 ms: three and four layers.
  EXPECT_NEAR(pair.at("measured").at("difference"), 0.001, 1e-9);
  EXPECT_TRUE(pair.at("sign_right"));
  EXPECT_EQ(pair.at("half"), "fit");
}

TEST(YamlSuiteTest, TheSameBytesAtAnyNumberOfThreads) {
  const std::string one = WriteValidationJson(Validated("jobs", Halves(), {.jobs = 1}));
  EXPECT_EQ(one, WriteValidationJson(Validated("jobs", Halves(), {.jobs = 2})));
  EXPECT_EQ(one, WriteValidationJson(Validated("jobs", Halves(), {.jobs = 7})));
}

TEST(YamlSuiteTest, HalvesOfWhatHasNoneAreRefused) {
  const Result<ValidationReport> csv = Validate({"training"}, Configs(), {.half = Half::kFit});
  ASSERT_FALSE(csv);
  EXPECT_THAT(csv.error().message, HasSubstr("training"));
}

}  // namespace
}  // namespace ridgeline::validation

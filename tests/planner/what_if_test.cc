/// Lists and ranges as people write them; variants, their order, and causes that add up.
#include "planner/what_if.h"

#include <cmath>
#include <cstdint>

#include <gmock/gmock.h>

#include "sim/scenario.h"

namespace ridgeline::planner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> ValuesOf(const std::string& text) {
  const Result<Variation> variation = ParseVariation(text, "--vary[1]");
  EXPECT_TRUE(variation.has_value()) << (variation ? "" : variation.error().message);
  return variation ? variation->values : std::vector<std::string>{};
}

TEST(VariationTest, ListsAndRanges) {
  EXPECT_THAT(ValuesOf("a.b=2,4,8"), ElementsAre("2", "4", "8"));
  EXPECT_THAT(ValuesOf("a=1-64*2"), ElementsAre("1", "2", "4", "8", "16", "32", "64"));
  EXPECT_THAT(ValuesOf("a=1-4"), ElementsAre("1", "2", "3", "4"));
  EXPECT_THAT(ValuesOf("a=0.1-0.4+0.1").size(), 4u);
  EXPECT_THAT(ValuesOf("a=10-25+10"), ElementsAre("10", "20"));
}

TEST(VariationTest, AUnitAtTheEndHoldsForAll) {
  EXPECT_THAT(ValuesOf("a=200-800+200 Gb/s"),
              ElementsAre("200 Gb/s", "400 Gb/s", "600 Gb/s", "800 Gb/s"));
  EXPECT_THAT(ValuesOf("a=200,800 Gb/s"), ElementsAre("200 Gb/s", "800 Gb/s"));
  EXPECT_THAT(ValuesOf("a=50 GB/s,800 Gb/s"), ElementsAre("50 GB/s", "800 Gb/s"));
}

TEST(VariationTest, QuotesAndBracketsStayWhole) {
  EXPECT_THAT(ValuesOf("a={tp: 2, pp: 4},{tp: 8}"), ElementsAre("{tp: 2, pp: 4}", "{tp: 8}"));
  EXPECT_THAT(ValuesOf("a=[1, 2],\"x,y\""), ElementsAre("[1, 2]", "\"x,y\""));
  EXPECT_THAT(ValuesOf("a=llama-3.1-8b,4-bit"), ElementsAre("llama-3.1-8b", "4-bit"));
}

TEST(VariationTest, ErrorsSayWhereAndWhat) {
  const auto error = [](const std::string& text) {
    const Result<Variation> variation = ParseVariation(text, "--vary[2]");
    return variation ? std::string("parsed") : variation.error().message;
  };
  EXPECT_THAT(error("training.micro_batch"), HasSubstr("--vary[2]: expected PATH=LIST"));
  EXPECT_THAT(error("=1,2"), HasSubstr("expected PATH=LIST"));
  EXPECT_THAT(error("a=1,,2"), HasSubstr("empty value"));
  EXPECT_THAT(error("a="), HasSubstr("empty value"));
  EXPECT_THAT(error("a=8-1"), HasSubstr("runs backwards: 8-1"));
  EXPECT_THAT(error("a=1-8*1"), HasSubstr("stands still"));
  EXPECT_THAT(error("a=0-8*2"), HasSubstr("stands still"));
  EXPECT_THAT(error("a=1-8+0"), HasSubstr("stands still"));
  EXPECT_THAT(error("a=1-2000"), HasSubstr("more than 1000 values"));
  EXPECT_THAT(error("a=[1, 2"), HasSubstr("not closed"));
}

sim::Report Step(double time, std::vector<sim::Share> shares) {
  sim::Report report;
  report.metrics = {{.name = "step_time", .value = time, .unit = "s", .low = time, .high = time}};
  report.time = std::move(shares);
  return report;
}

// 10 s = 7 + 3 becomes 11 s = 6 + 4.5 + 0.5: -1, +1.5 and a new +0.5, the largest first.
TEST(ExplainTest, CausesAddUpLargestFirst) {
  const auto causes =
      Explain(Step(10, {{"matmul", "m", 7}, {"tensor", "t", 3}}),
              Step(11, {{"matmul", "m", 6}, {"tensor", "t", 4.5}, {"data", "d", 0.5}}));
  ASSERT_EQ(causes.size(), 3u);
  EXPECT_EQ(causes[0].name, "tensor");
  EXPECT_DOUBLE_EQ(causes[0].change, 1.5);
  EXPECT_DOUBLE_EQ(causes[1].change, -1);
  EXPECT_DOUBLE_EQ(causes[2].change, 0.5);
}

TEST(ExplainTest, WhatTheSharesLeaveOpenIsACauseOfItsOwn) {
  const auto causes = Explain(Step(10, {{"matmul", "m", 7}}), Step(12, {{"matmul", "m", 8}}));
  ASSERT_EQ(causes.size(), 2u);
  EXPECT_EQ(causes[1].name, "unattributed");
  EXPECT_DOUBLE_EQ(causes[1].change, 1);
}

hardware::Catalog Shipped() {
  return hardware::Catalog({std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs"});
}

Node Training() {
  return *ParseDocument("small.yaml",
                        "cluster: {nodes: dgx-h100, count: 1}\n"
                        "training: {model: llama-3.1-8b, sequence_length: 4096, global_batch: 16,\n"
                        "           micro_batch: 1, parallelism: {tp: 2}}\n");
}

int64_t Picoseconds(double seconds) { return std::llround(seconds * 1e12); }

TEST(CompareVariantsTest, CausesOfEveryVariantAddUpToTheDifference) {
  const auto answer =
      CompareVariants(Training(),
                      {*ParseVariation("training.parallelism.tp=1,2,4,8", "--vary[1]"),
                       *ParseVariation("training.micro_batch=1,2", "--vary[2]")},
                      Shipped(), {});
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->metric, "step_time");
  ASSERT_EQ(answer->variants.size(), 8u);
  // The last key is the fastest.
  EXPECT_EQ(answer->variants[1].changes[0].second, "1");
  EXPECT_EQ(answer->variants[1].changes[1].second, "2");
  for (const Variant& variant : answer->variants) {
    ASSERT_TRUE(variant.report.has_value()) << variant.error->message;
    int64_t sum = 0;
    for (const Difference& cause : variant.explained_by) {
      sum += Picoseconds(cause.change);
    }
    EXPECT_EQ(sum, Picoseconds(variant.report->Find("step_time")->value) -
                       Picoseconds(answer->base.Find("step_time")->value));
  }
  // tp 2 with micro-batch 1 is the base itself.
  EXPECT_TRUE(answer->variants[2].explained_by.empty());
}

TEST(CompareVariantsTest, ThreadsChangeNothing) {
  const std::vector<Variation> variations = {
      *ParseVariation("training.parallelism.tp=1,2,3,4", "--vary[1]")};
  const auto one = CompareVariants(Training(), variations, Shipped(), {.jobs = 1});
  const auto four = CompareVariants(Training(), variations, Shipped(), {.jobs = 4});
  ASSERT_TRUE(one && four);
  for (size_t i = 0; i < one->variants.size(); ++i) {
    ASSERT_EQ(one->variants[i].report.has_value(), four->variants[i].report.has_value());
    if (one->variants[i].report) {
      EXPECT_EQ(one->variants[i].report->Find("step_time")->value,
                four->variants[i].report->Find("step_time")->value);
    }
  }
  // tp 3 divides nothing: a row with its reason.
  ASSERT_TRUE(one->variants[2].error.has_value());
  EXPECT_EQ(one->variants[2].error->code, ErrorCode::kInvalidArgument);
}

TEST(CompareVariantsTest, AnUnknownKeyIsAnErrorOfTheQuestion) {
  const auto answer = CompareVariants(
      Training(), {*ParseVariation("training.paralelism.tp=1", "--vary[1]")}, Shipped(), {});
  ASSERT_FALSE(answer.has_value());
  EXPECT_THAT(answer.error().message, HasSubstr("unknown key"));
}

TEST(CompareVariantsTest, TooManyVariantsAreRefused) {
  const Variation many = *ParseVariation("training.global_batch=1-1000", "--vary[1]");
  const auto answer = CompareVariants(Training(), {many, many}, Shipped(), {});
  ASSERT_FALSE(answer.has_value());
  EXPECT_THAT(answer.error().message, HasSubstr("more than 10000 variants"));
}

TEST(CompareVariantsTest, AStopBeforeTheBaseIsTheStopsError) {
  std::stop_source source;
  source.request_stop();
  const auto answer =
      CompareVariants(Training(), {*ParseVariation("training.micro_batch=1", "--vary[1]")},
                      Shipped(), {.stop = Stop(source.get_token())});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace ridgeline::planner

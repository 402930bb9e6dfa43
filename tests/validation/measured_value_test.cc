#include "planner/validation/measured_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"

namespace ridgeline::validation {
namespace {

using ::testing::HasSubstr;

Result<double> Parse(const std::string& metric, const std::string& text) {
  const Result<Node> document = ParseDocument("m.yaml", "v: " + text + "\n");
  return ParseMeasured(metric, *document->Find("v"));
}

struct Spelling {
  const char* metric;
  const char* text;
  double value;
};

TEST(MeasuredValueTest, EveryMetricTakesItsUnits) {
  // GiB is 2^30 = 1073741824 bytes: 45 of them are 48318382080.
  const std::vector<Spelling> spellings = {{"step_time", "250 ms", 0.25},
                                           {"step_time", "250ms", 0.25},
                                           {"pass_time", "1875 us", 0.001875},
                                           {"memory.allocated", "45 GB", 45e9},
                                           {"memory.allocated", "45 GiB", 48318382080.0},
                                           {"memory.allocated", "48318382080 B", 48318382080.0},
                                           {"memory.peak", "79.6 GB", 79.6e9},
                                           {"mfu", "38 %", 0.38},
                                           {"mfu", "0.38", 0.38},
                                           {"hfu", "41.5%", 0.415},
                                           {"tokens_per_second", "12000", 12000},
                                           {"tokens_per_second", "12000 tokens/s", 12000},
                                           {"tokens_per_second_per_gpu", "1.2e4", 12000},
                                           {"model_flops_per_gpu", "400 TFLOP/s", 400e12},
                                           {"ttft.p99", "2 s", 2},
                                           {"output_throughput", "900 tokens/s", 900},
                                           {"request_throughput", "4 req/s", 4},
                                           {"time.matmul", "3 ms", 0.003},
                                           {"oom", "true", 1},
                                           {"oom", "false", 0},
                                           {"oom", "1", 1}};
  for (const Spelling& one : spellings) {
    const Result<double> value = Parse(one.metric, one.text);
    ASSERT_TRUE(value) << one.metric << " " << one.text << RenderError(value.error());
    EXPECT_NEAR(*value, one.value, 1e-12 * one.value) << one.metric << " " << one.text;
  }
}

TEST(MeasuredValueTest, WhatIsNoValueOfTheMetricIsRefused) {
  const std::vector<std::pair<const char*, const char*>> bad = {
      {"step_time", "250"},   {"step_time", "250 GB"},
      {"memory.peak", "45"},  {"memory.peak", "45 s"},
      {"mfu", "0"},           {"step_time", "-1 s"},
      {"step_time", "[1 s]"}, {"step_time", "{a: 1}"},
      {"step_time", "~"},     {"tokens_per_second", "x"},
      {"oom", "perhaps"},     {"tokens_per_second", "'>=5'"},
      {"step_time", ".nan"},  {"mfu", ".inf"}};
  for (const auto& [metric, text] : bad) {
    EXPECT_FALSE(Parse(metric, text)) << metric << " " << text;
  }
}

TEST(MeasuredValueTest, AnUnknownMetricNamesTheNearest) {
  const Result<double> value = Parse("step_tme", "1 s");
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(value.error().hint, HasSubstr("step_time"));
}

}  // namespace
}  // namespace ridgeline::validation

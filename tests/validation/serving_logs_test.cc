#include "planner/validation/serving_logs.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <span>
#include <type_traits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "planner/validation/step_fit.h"

namespace ridgeline::validation {
namespace {

const std::filesystem::path kFolder =
    std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs" / "validation";

ServingLogs Shipped() {
  const Node document = ReadDocument(kFolder / "serving-logs.yaml").value();
  Result<ServingLogs> logs = ReadServingLogs(document, kFolder);
  EXPECT_TRUE(logs.has_value()) << (logs ? "" : RenderError(logs.error()));
  return logs ? *std::move(logs) : ServingLogs{};
}

TEST(FittedStepCostTest, AStepIsTheSumOfItsFourParts) {
  FittedStepCost cost({.step = Seconds::FromBase(10e-3),
                       .token = Seconds::FromBase(100e-6),
                       .sequence = Seconds::FromBase(20e-6),
                       .context = Seconds::FromBase(50e-9)});
  // 10 ms + 4 x 20 us + 1000 x 50 ns = 10.13 ms
  const serving::DecodeTime line = cost.Decode(4, 1000);
  EXPECT_EQ(line.base + line.per_token * 1000, 10'130'000'000);
  EXPECT_EQ(cost.Of({.chunks = {}, .decodes = 4, .decode_context = 1000, .sampled = 4}),
            10'130'000'000);
  // A chunk of 100 tokens after 200: 10 ms more for the tokens, 10 us for what it reads.
  const serving::PrefillChunk chunk{.tokens = 100, .context = 200};
  EXPECT_EQ(
      cost.Of({.chunks = std::span(&chunk, 1), .decodes = 4, .decode_context = 1000, .sampled = 5}),
      20'140'000'000);
}

TEST(ServingLogsTest, EveryRunHasItsRequestsAndTheirSharedPrefixes) {
  const ServingLogs logs = Shipped();
  ASSERT_EQ(logs.runs.size(), 3U);
  for (const MeasuredServing& run : logs.runs) {
    EXPECT_EQ(run.load.requests.size(), 300U) << run.title;
    EXPECT_EQ(run.measured.size(), 300U) << run.title;
    // Blocks equal to an earlier request's have its ids: fewer distinct ids than blocks.
    int64_t most = 0;
    for (const int64_t id : run.load.prefix_ids) {
      most = std::max(most, id + 1);
    }
    EXPECT_LT(most, static_cast<int64_t>(run.load.prefix_ids.size())) << run.title;
  }
}

// The fit's input cannot hold more: its extent is part of the type.
TEST(StepFitTest, TheFitSeesTheFirstHundredRequestsOnly) {
  static_assert(kFittedRequests == 100);
  static_assert(std::is_invocable_v<decltype(FitStepCost), const serving::SchedulerLimits&,
                                    const workloads::RequestLoad&, std::span<const TokenTimes, 100>,
                                    const Stop&>);
  static_assert(!std::is_invocable_v<decltype(FitStepCost), const serving::SchedulerLimits&,
                                     const workloads::RequestLoad&, std::span<const TokenTimes>,
                                     const Stop&>);
  static_assert(
      !std::is_invocable_v<decltype(FitStepCost), const serving::SchedulerLimits&,
                           const workloads::RequestLoad&, const MeasuredServing&, const Stop&>);
  static_assert(sizeof(StepConstants) == 4 * sizeof(double));
}

// A log that the simulation itself wrote gives back its times, though not its constants: 100
// requests leave a flat valley, in which the search ends.
TEST(StepFitTest, TimesMadeFromKnownConstantsAreFoundAgainWithinOnePercent) {
  MeasuredServing log = Shipped().runs.at(1);
  FittedStepCost truth({.step = Seconds::FromBase(8e-3),
                        .token = Seconds::FromBase(60e-6),
                        .sequence = Seconds::FromBase(40e-6),
                        .context = Seconds::FromBase(60e-9)});
  const serving::ServingOutcome outcome =
      serving::Serve({.limits = log.limits}, log.load, truth).value();
  for (size_t i = 0; i < log.measured.size(); ++i) {
    log.measured[i] = {.first = engine::ToSeconds(outcome.requests[i].first_token),
                       .last = engine::ToSeconds(outcome.requests[i].last_token)};
  }
  const StepFit fit =
      FitStepCost(log.limits, log.load,
                  std::span(std::as_const(log.measured)).first<kFittedRequests>(), Stop())
          .value();
  const ServingLogScore score =
      ScoreServingLog(log, fit.constants, kFittedRequests, Stop()).value();
  EXPECT_LT(std::abs(score.ttft.MeanError()), 0.01);
  EXPECT_LT(std::abs(score.completion.MeanError()), 0.01);
}

// Three runs of vLLM 0.19, requests 100-299: mean time to first token and to completion.
TEST(ServingLogsTest, HeldOutRequestsOfTensorParallelRunsAreWithinThreePercent) {
  const ServingLogs logs = Shipped();
  std::vector<sim::Assumption> factors;
  const SuiteOutcome outcome = EvaluateServingLogs(logs, Stop(), factors);
  ASSERT_EQ(outcome.cases.size(), 12U);
  for (const CaseOutcome& one : outcome.cases) {
    std::printf("%-40s %-10s measured %8.3f s, simulated %8.3f s, %+.2f %%\n", one.id.c_str(),
                one.metric.c_str(), one.measured, one.predicted, 100 * one.SignedError());
    if (one.metric.ends_with(".mean")) {
      EXPECT_EQ(one.tolerance, 0.03);
      EXPECT_LE(std::abs(one.SignedError()), 0.03) << one.id << " " << one.metric;
    }
  }
  EXPECT_EQ(factors.size(), 3U);
}

TEST(ServingLogsTest, AMistakeInALogHasItsPlace) {
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) / "serving_logs_test";
  std::filesystem::create_directories(folder);
  const auto error_of = [&](const std::string& rows) {
    const std::filesystem::path file = folder / "log.csv";
    std::FILE* const out = std::fopen(file.c_str(), "w");
    std::fputs(("request,input_tokens,output_tokens,shared_with,shared_blocks,queued_s,scheduled_s,"
                "first_token_s,last_token_s\n" +
                rows)
                   .c_str(),
               out);
    std::fclose(out);
    const Node document =
        ParseDocument(
            "logs.yaml",
            "kind: serving-logs\nname: n\nsource: s\nruns:\n  - {file: log.csv, title: t, "
            "kv_blocks: 9, max_batched_tokens: 9, max_sequences: 9, max_model_len: 99}\n")
            .value();
    const Result<ServingLogs> logs = ReadServingLogs(document, folder);
    EXPECT_FALSE(logs.has_value());
    return logs ? Error{} : logs.error();
  };
  // Line 2, column 3: no tokens. First token before the request was queued: column 14.
  EXPECT_EQ(error_of("0,0,1,,,0,0,1,2\n").where->column, 3);
  EXPECT_EQ(error_of("0,5,1,,,1.0,1.0,0.5,2\n").where->line, 2);
  // A prefix of a request that has not come yet.
  EXPECT_EQ(error_of("0,32,1,1,1,0,0,1,2\n").where->column, 8);
}

}  // namespace
}  // namespace ridgeline::validation

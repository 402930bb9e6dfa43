#include "sim/serving/serving_metrics.h"

#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "base/percentile.h"

namespace ridgeline::serving {
namespace {

constexpr int64_t kSecond = 1'000'000'000'000;

RequestOutcome Done(int64_t arrival, int64_t scheduled, int64_t first, int64_t last,
                    int64_t tokens) {
  RequestOutcome request;
  request.state = RequestState::kDone;
  request.arrival = arrival * kSecond;
  request.scheduled = scheduled * kSecond;
  request.first_token = first * kSecond;
  request.last_token = last * kSecond;
  request.input_tokens = 10;
  request.output_tokens = tokens;
  return request;
}

// ttft 2 and 3 s. tpot: (8 - 2) / 3 = 2 s; the one-token answer has none. itl: 1, 2, 3 s.
// Throughput counts to the last completion, 10 s.
TEST(ServingMetricsTest, AsVllmBenchServeDefinesThem) {
  ServingOutcome outcome;
  outcome.requests = {Done(0, 1, 2, 8, 4), Done(7, 9, 10, 10, 1)};
  outcome.requests[0].preempted_wait = 2 * kSecond;
  outcome.gaps = {{.first = kSecond, .step = kSecond, .count = 3, .sequences = 1}};
  outcome.makespan = 10 * kSecond;
  const ServingMetrics metrics = MeasureServing(outcome);
  EXPECT_DOUBLE_EQ(metrics.ttft->mean, 2.5);
  EXPECT_DOUBLE_EQ(metrics.ttft->p90, 2.9);
  EXPECT_DOUBLE_EQ(metrics.tpot->mean, 2.0);
  EXPECT_DOUBLE_EQ(metrics.itl->mean, 2.0);
  EXPECT_DOUBLE_EQ(metrics.itl->p50, 2.0);
  EXPECT_DOUBLE_EQ(metrics.itl->p99, 2.98);
  EXPECT_DOUBLE_EQ(metrics.e2el->mean, 5.5);
  EXPECT_DOUBLE_EQ(metrics.request_throughput, 0.2);
  EXPECT_DOUBLE_EQ(metrics.output_throughput, 0.5);
  EXPECT_DOUBLE_EQ(metrics.total_token_throughput, 2.5);
  // Queue (1 + 2) / 2, prefill (1 + 1) / 2, decode (6 - 2) / 2, preempted 2 / 2.
  EXPECT_DOUBLE_EQ(metrics.queue, 1.5);
  EXPECT_DOUBLE_EQ(metrics.prefill, 1.0);
  EXPECT_DOUBLE_EQ(metrics.decode, 2.0);
  EXPECT_DOUBLE_EQ(metrics.preempted, 1.0);
}

TEST(ServingMetricsTest, WithoutAnAnswerThereAreNoLatencies) {
  ServingOutcome outcome;
  outcome.requests.resize(2);
  outcome.requests[0].state = RequestState::kRejected;
  const ServingMetrics metrics = MeasureServing(outcome);
  EXPECT_EQ(metrics.rejected, 1);
  EXPECT_EQ(metrics.queued, 1);
  EXPECT_FALSE(metrics.ttft || metrics.tpot || metrics.itl || metrics.e2el);
}

TEST(GapStatisticsTest, QuantilesOfRunsAreThoseOfTheGapsWrittenOut) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<GapRun> runs;
    std::vector<double> gaps;
    for (uint64_t i = 0; i <= random() % 20; ++i) {
      GapRun run;
      run.first = static_cast<int64_t>(random() % 50);
      run.step = static_cast<int64_t>(random() % 4);
      run.count = static_cast<int64_t>(1 + random() % 30);
      run.sequences = static_cast<int64_t>(1 + random() % 3);
      runs.push_back(run);
      for (int64_t gap = 0; gap < run.count * run.sequences; ++gap) {
        gaps.push_back(static_cast<double>(run.first + run.step * (gap % run.count)) * 1e-12);
      }
    }
    const Distribution found = GapStatistics(runs);
    EXPECT_DOUBLE_EQ(found.p50, ExactQuantile(gaps, 0.50));
    EXPECT_DOUBLE_EQ(found.p90, ExactQuantile(gaps, 0.90));
    EXPECT_DOUBLE_EQ(found.p99, ExactQuantile(gaps, 0.99));
  }
}

}  // namespace
}  // namespace ridgeline::serving

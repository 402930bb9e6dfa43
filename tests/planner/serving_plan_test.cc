/// Plans for serving against enumeration by `simulate`, their counts, and the same answer at any
/// number of threads.
#include "planner/serving_plan.h"

#include <algorithm>
#include <limits>

#include <gmock/gmock.h>

#include "sim/scenario.h"
#include "sim/simulate.h"

namespace ridgeline::planner {
namespace {

using ::testing::HasSubstr;

hardware::Catalog Shipped() {
  return hardware::Catalog({std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs"});
}

Node Serving(const std::string& more = "") {
  return *ParseDocument("serve.yaml",
                        "cluster: {nodes: hgx-h100, count: 1}\n"
                        "serving: {model: llama-3.1-70b, parallelism: {tp: [1, 2, 4, 8]},\n"
                        "          scheduler: {max_batched_tokens: [1024, 8192]}}\n"
                        "workload: {arrivals: {process: poisson, rate: 2 req/s}, requests: 60,\n"
                        "           input_tokens: 1024, output_tokens: 64}\n" +
                            more);
}

void ExpectCountsAddUp(const Plan& plan) {
  const SearchCounts& counts = plan.counts;
  EXPECT_EQ(counts.considered,
            counts.illegal + counts.out_of_memory + counts.bounded + counts.evaluated);
}

// Every deployment of the node, by simulate alone: the fewest GPUs, then the least mean latency.
TEST(ServingPlanTest, EqualsEnumeration) {
  const hardware::Catalog catalog = Shipped();
  const sim::Target target = *sim::ParseTarget("ttft.p99<=500 ms");
  double best_gpus = std::numeric_limits<double>::infinity();
  double best_latency = best_gpus;
  int64_t considered = 0;
  for (const int64_t tp : {1, 2, 4, 8}) {
    for (int64_t replicas = 1; replicas <= 8 / tp; ++replicas) {
      for (const int64_t budget : {1024, 8192}) {
        ++considered;
        Node document = Serving();
        ASSERT_TRUE(SetPath(document, "serving.parallelism.tp", std::to_string(tp), "test"));
        ASSERT_TRUE(SetPath(document, "serving.replicas", std::to_string(replicas), "test"));
        ASSERT_TRUE(SetPath(document, "serving.scheduler.max_batched_tokens",
                            std::to_string(budget), "test"));
        const auto scenario = sim::ResolveScenario(document, catalog);
        ASSERT_TRUE(scenario) << scenario.error().message;
        const auto report = sim::Simulate(*scenario, {});
        ASSERT_TRUE(report) << report.error().message;
        const auto gpus = static_cast<double>(tp * replicas);
        if (!report->fits || !*sim::Meets(*report, target)) {
          continue;
        }
        const double latency = report->Find("e2el.mean")->value;
        if (gpus < best_gpus || (gpus == best_gpus && latency < best_latency)) {
          best_gpus = gpus;
          best_latency = latency;
        }
      }
    }
  }
  const auto plan = PlanServing(Serving(), catalog, {.targets = {target}});
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_TRUE(plan->is_feasible);
  EXPECT_EQ(plan->objective, "gpus");
  EXPECT_EQ(plan->candidates.front().report.Find("gpus")->value, best_gpus);
  EXPECT_EQ(plan->candidates.front().report.Find("e2el.mean")->value, best_latency);
  EXPECT_EQ(plan->floor, best_gpus);
  EXPECT_EQ(plan->gap, 0);
  EXPECT_EQ(plan->counts.considered, considered);
  ExpectCountsAddUp(*plan);
}

TEST(ServingPlanTest, ThreadsChangeNothing) {
  const hardware::Catalog catalog = Shipped();
  const auto one = PlanServing(Serving(), catalog, {.jobs = 1, .minimize = "ttft.p99"});
  const auto four = PlanServing(Serving(), catalog, {.jobs = 4, .minimize = "ttft.p99"});
  ASSERT_TRUE(one && four);
  EXPECT_EQ(one->counts, four->counts);
  ASSERT_EQ(one->candidates.size(), four->candidates.size());
  for (size_t i = 0; i < one->candidates.size(); ++i) {
    EXPECT_EQ(one->candidates[i].settings, four->candidates[i].settings);
  }
}

TEST(ServingPlanTest, WhatCannotBeMetIsAnAnswerWithTheNearestMiss) {
  const auto plan = PlanServing(Serving("targets: {tpot.p99: 1 ms}\n"), Shipped(), {});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_FALSE(plan->is_feasible);
  EXPECT_TRUE(plan->candidates.empty());
  ASSERT_FALSE(plan->why_not.empty());
  EXPECT_THAT(plan->why_not.front(), HasSubstr("nearest miss: tp 8"));
  ExpectCountsAddUp(*plan);
}

// 60 requests of 64 tokens at 2 req/s are about 128 tokens/s: 1,000 arrive at no deployment.
TEST(ServingPlanTest, AThroughputAboveTheLoadIsBoundedOutUnsimulated) {
  const auto plan = PlanServing(Serving(), Shipped(),
                                {.targets = {*sim::ParseTarget("output_throughput>=1000")}});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_FALSE(plan->is_feasible);
  EXPECT_EQ(plan->counts.evaluated, 0);
  ExpectCountsAddUp(*plan);
}

TEST(ServingPlanTest, IncumbentsGetBetterAndTheLastIsTheAnswer) {
  std::vector<double> latencies;
  const auto plan =
      PlanServing(Serving(), Shipped(),
                  {.on_incumbent =
                       [&](const Candidate& candidate) {
                         latencies.push_back(candidate.report.Find("e2el.mean")->value);
                       },
                   .minimize = "e2el.mean"});
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_FALSE(latencies.empty());
  EXPECT_TRUE(std::is_sorted(latencies.rbegin(), latencies.rend()));
  EXPECT_EQ(latencies.back(), plan->candidates.front().report.Find("e2el.mean")->value);
}

TEST(ServingPlanTest, MistakesAreNamed) {
  const auto error = [](const Node& document, const PlanOptions& options) {
    const auto plan = PlanServing(document, Shipped(), options);
    return plan ? std::string("planned") : plan.error().message;
  };
  EXPECT_THAT(error(Serving(), {.minimize = "step_time"}), HasSubstr("not an objective"));
  EXPECT_THAT(error(Serving(), {.targets = {*sim::ParseTarget("mfu>=0.4")}}),
              HasSubstr("not a metric"));
  Node document = Serving();
  ASSERT_TRUE(SetPath(document, "serving.parallelism.tp", "[3, 5]", "test"));
  EXPECT_THAT(error(document, {}), HasSubstr("tp must divide"));
  ASSERT_TRUE(SetPath(document, "serving.parallelism.tp", "[]", "test"));
  EXPECT_THAT(error(document, {}), HasSubstr("empty list"));
}

/// One prompt in two is longer than the KV cache of two GPUs.
Node LongPrompts() {
  Node document = Serving();
  EXPECT_TRUE(SetPath(document, "workload.input_tokens", "{min: 100, max: 60000}", "test"));
  EXPECT_TRUE(SetPath(document, "serving.parallelism.tp", "[2, 8]", "test"));
  EXPECT_TRUE(SetPath(document, "serving.replicas", "1", "test"));
  return document;
}

// What is not served does not wait: rejecting would win every latency.
TEST(ServingPlanTest, ADeploymentThatRejectsRequestsMissesAnUnwrittenTarget) {
  const auto plan = PlanServing(LongPrompts(), Shipped(), {});
  ASSERT_TRUE(plan) << plan.error().message;
  ExpectCountsAddUp(*plan);
  ASSERT_TRUE(plan->is_feasible);
  for (const Candidate& candidate : plan->candidates) {
    EXPECT_EQ(candidate.report.Find("requests.rejected")->value, 0);
    EXPECT_EQ(candidate.settings.at("serving.parallelism.tp"), "8");
  }
  EXPECT_THAT(plan->why_not, testing::Contains(HasSubstr("requests are rejected")));
  EXPECT_TRUE(plan->targets.empty());
}

TEST(ServingPlanTest, WhereEveryDeploymentRejectsTheNearestMissSaysSo) {
  Node document = LongPrompts();
  ASSERT_TRUE(SetPath(document, "serving.parallelism.tp", "2", "test"));
  const auto plan = PlanServing(document, Shipped(), {});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_FALSE(plan->is_feasible);
  EXPECT_THAT(plan->why_not.front(), HasSubstr("requests.rejected is"));
}

TEST(ServingPlanTest, AStopBeforeAnythingIsTheStopsError) {
  std::stop_source source;
  source.request_stop();
  const auto plan = PlanServing(Serving(), Shipped(), {.stop = Stop(source.get_token())});
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace ridgeline::planner

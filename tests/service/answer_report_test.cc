/// Plans, what-ifs and judged targets as people and programs read them.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "service/report/plan_result.h"
#include "service/report/report_words.h"
#include "service/report/simulation_result.h"
#include "service/report/what_if_result.h"

namespace ridgeline::report {
namespace {

using ::testing::HasSubstr;

using ::testing::StartsWith;

sim::Metric MetricOf(std::string name, double value, std::string unit) {
  return {.name = std::move(name),
          .value = value,
          .unit = std::move(unit),
          .low = value,
          .high = value};
}

sim::Report Serving(double gpus, double latency) {
  sim::Report report;
  report.kind = sim::ReportKind::kServing;
  report.title = "a model served";
  report.metrics = {MetricOf("request_throughput", 3.94, "req/s"),
                    MetricOf("output_throughput", 1010, "tokens/s"),
                    MetricOf("ttft.mean", 0.0831, "s"),
                    MetricOf("ttft.p99", 0.125, "s"),
                    MetricOf("tpot.mean", 0.0164, "s"),
                    MetricOf("tpot.p99", 0.018, "s"),
                    MetricOf("e2el.mean", latency, "s"),
                    MetricOf("batch.running.mean", 8.4, "1"),
                    MetricOf("gpus", gpus, "1")};
  report.time = {{"queue", "waiting", latency / 4}, {"decode", "decode", 3 * latency / 4}};
  return report;
}

TEST(HeadlineTest, ServingLeadsWithWhatUsersFeel) {
  EXPECT_EQ(Headline(Serving(8, 4.26)),
            "3.94 req/s   1.01 k output tokens/s   TTFT 83.1 ms mean, 125 ms p99   "
            "TPOT 16.4 ms mean, 18 ms p99   mean batch 8.4");
}

TEST(HeadlineTest, WhatAReportLacksIsLeftOut) {
  sim::Report report;
  report.kind = sim::ReportKind::kForward;
  report.metrics = {MetricOf("pass_time", 0.01943, "s")};
  EXPECT_EQ(Headline(report), "19.43 ms/pass");
  EXPECT_EQ(Headline(sim::Report{}), "");
}

TEST(SimulationTextTest, LatenciesStandSideBySideAndTargetsAreJudged) {
  SimulationResult result{.report = Serving(8, 4)};
  result.targets = *JudgeTargets(
      result.report, {*sim::ParseTarget("ttft.p99<=2 s"), *sim::ParseTarget("tpot.p99<=10 ms")});
  const std::string text = Render(result, OutputFormat::kTable);
  EXPECT_THAT(text, HasSubstr("latency     mean  p50  p90     p99"));
  EXPECT_THAT(text, HasSubstr("ttft.p99<=2 s    125 ms  met"));
  EXPECT_THAT(text, HasSubstr("tpot.p99<=10 ms   18 ms  missed"));
  EXPECT_THAT(text, HasSubstr("where the mean latency of a request goes"));
  EXPECT_THAT(Render(result, OutputFormat::kJson), HasSubstr("\"outcome\": \"infeasible\""));
}

planner::Plan SmallPlan() {
  planner::Plan plan;
  plan.title = "a model on a GPU";
  plan.objective = "gpus";
  plan.targets = {*sim::ParseTarget("ttft.p99<=2 s")};
  plan.is_feasible = true;
  plan.candidates = {{.settings = {{"serving.parallelism.tp", "4"}, {"serving.replicas", "1"}},
                      .report = Serving(4, 4)},
                     {.settings = {{"serving.parallelism.tp", "4"}, {"serving.replicas", "2"}},
                      .report = Serving(8, 3)}};
  plan.counts = {
      .considered = 1234, .illegal = 1000, .out_of_memory = 200, .bounded = 30, .evaluated = 4};
  plan.searched = {"serving.parallelism.tp: 1, 2, 4", "serving.replicas: 1, 2"};
  plan.floor = 4;
  plan.why_not = {"tp 1 does not fit"};
  return plan;
}

TEST(PlanTextTest, TheAnswerComesFirstWithItsProof) {
  const std::string text = Render(PlanResult{.plan = SmallPlan()}, OutputFormat::kTable);
  EXPECT_THAT(text, StartsWith("a model on a GPU: 4 GPUs meet ttft.p99<=2 s "
                               "(proven: nothing in the space is better)\n"));
  EXPECT_THAT(text, HasSubstr("#  tp  replicas  gpus  ttft.p99"));
  EXPECT_THAT(text, HasSubstr("searched 1,234   illegal 1,000, out of memory 200, bounded out 30, "
                              "evaluated 4"));
  EXPECT_THAT(text, HasSubstr("why not   tp 1 does not fit"));
}

TEST(PlanTextTest, NoPlanAndAStoppedPlanSaySo) {
  planner::Plan plan = SmallPlan();
  plan.is_partial = true;
  plan.floor = 0;
  EXPECT_THAT(Render(PlanResult{.plan = plan}, OutputFormat::kTable),
              HasSubstr("(stopped before the end; better ones may be left)"));
  const auto stopped = nlohmann::json::parse(Render(PlanResult{.plan = plan}, OutputFormat::kJson));
  EXPECT_TRUE(stopped["search"]["partial"]);
  EXPECT_FALSE(stopped["search"].contains("gap"));
  plan.floor = 3;
  plan.gap = 1.0 / 3;
  EXPECT_THAT(Render(PlanResult{.plan = plan}, OutputFormat::kTable),
              HasSubstr("(within 33 % of the floor, stopped before the end)"));
  plan.is_partial = false;
  plan.is_feasible = false;
  plan.candidates.clear();
  EXPECT_THAT(Render(PlanResult{.plan = plan}, OutputFormat::kTable),
              StartsWith("a model on a GPU: no configuration meets ttft.p99<=2 s\n"));
}

TEST(PlanTextTest, TablesForProgramsNameWholePathsAndExactNumbers) {
  const std::string text = Render(PlanResult{.plan = SmallPlan()}, OutputFormat::kCsv);
  EXPECT_THAT(text, StartsWith("#,serving.parallelism.tp,serving.replicas,gpus,ttft.p99,"));
  EXPECT_THAT(text, HasSubstr("\n1,4,1,4,0.125,"));
}

TEST(WhatIfTextTest, ChangesAndCausesStandInTheirRow) {
  planner::WhatIf what_if;
  what_if.base = Serving(8, 4);
  what_if.metric = "e2el.mean";
  planner::Variant slower{.changes = {{"serving.replicas", "1"}}, .report = Serving(4, 5)};
  slower.explained_by = planner::Explain(what_if.base, *slower.report);
  planner::Variant broken{.changes = {{"serving.replicas", "9"}}};
  broken.error = Error{.code = ErrorCode::kInvalidArgument, .message = "more GPUs than there are"};
  what_if.variants = {slower, broken};
  const WhatIfResult result{.what_if = what_if, .seed = 7};
  const std::string text = Render(result, OutputFormat::kTable);
  EXPECT_THAT(text, HasSubstr("serving.replicas = 1        5 s  +25.0 %"));
  // A quarter of the second more is queueing, three quarters decoding.
  EXPECT_THAT(text, HasSubstr("decode +750 ms; waiting +250 ms"));
  EXPECT_THAT(text, HasSubstr("more GPUs than there are"));
  EXPECT_THAT(text, HasSubstr("3 scenarios, all with seed 7"));
  const auto json = nlohmann::json::parse(Render(result, OutputFormat::kJson));
  EXPECT_EQ(json["candidates"][1]["difference"], 1.0);
  EXPECT_EQ(json["candidates"][2]["error"]["message"], "more GPUs than there are");
  EXPECT_THAT(Render(result, OutputFormat::kCsv), HasSubstr("decode=0.75;queue=0.25"));
}

}  // namespace
}  // namespace ridgeline::report

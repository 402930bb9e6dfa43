// Plans of training jobs: documents, lists, errors, objectives, targets, stops and threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "planner/plan.h"
#include "planner/training_legality.h"
#include "planner/training_space.h"

namespace ridgeline::planner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;
using testing::UnorderedElementsAre;

const hardware::Catalog& Shipped() {
  static const hardware::Catalog catalog({RIDGELINE_SOURCE_DIR "/configs"});
  return catalog;
}

Result<Plan> TryPlan(const std::string& yaml, const PlanOptions& options = {}) {
  return ParseDocument("plan.yaml", yaml).and_then([&](const Node& document) {
    return MakePlan(document, Shipped(), options);
  });
}

Plan MustPlan(const std::string& yaml, const PlanOptions& options = {}) {
  const Result<Plan> plan = TryPlan(yaml, options);
  EXPECT_TRUE(plan.has_value()) << RenderError(plan.error()) << yaml;
  return plan.value_or(Plan{});
}

/// An 8B model on a node of eight; `more` are further lines of the training block.
std::string Job(const std::string& more = {}, const std::string& after = {}) {
  return R"(cluster: {nodes: dgx-h100, count: 1}
training:
  model: llama-3.1-8b
  sequence_length: 4096
  global_batch: 32
)" + more +
         after;
}

sim::Target TargetOf(const std::string& text) { return sim::ParseTarget(text).value(); }

double StepTime(const Candidate& candidate) { return candidate.report.Find("step_time")->value; }

TEST(TrainingPlanTest, EveryCandidateIsInOneBucket) {
  const Plan plan = MustPlan(Job());
  const SearchCounts& counts = plan.counts;
  EXPECT_EQ(counts.considered,
            counts.illegal + counts.out_of_memory + counts.bounded + counts.evaluated);
  // tp and pp 1, 2, 4, 8; vpp the divisors of 32 and 34 (1, 2, 4, 8, 16, 32, 17, 34); micro_batch
  // the divisors of 32: 4 x 4 x 8 x 6 x 3 x 2.
  EXPECT_EQ(counts.considered, 4608);
  EXPECT_TRUE(plan.is_feasible);
  EXPECT_FALSE(plan.is_partial);
  EXPECT_EQ(plan.gap, 0);
  EXPECT_EQ(plan.floor, StepTime(plan.candidates.front()));
  EXPECT_EQ(plan.title, "llama-3.1-8b on 8 x h100-sxm");
  EXPECT_THAT(plan.candidates.front().settings,
              UnorderedElementsAre(Key("training.parallelism.tp"), Key("training.parallelism.pp"),
                                   Key("training.parallelism.vpp"), Key("training.micro_batch"),
                                   Key("training.recompute"), Key("training.sharding")));
  EXPECT_TRUE(std::is_sorted(
      plan.candidates.begin(), plan.candidates.end(),
      [](const Candidate& a, const Candidate& b) { return StepTime(a) < StepTime(b); }));
}

TEST(TrainingPlanTest, AListRestrictsAndAValueFixes) {
  const Plan plan = MustPlan(Job(R"(  micro_batch: 1
  sharding: zero-1
  recompute: [full, none]
  parallelism: {tp: [4, 2], pp: 1, vpp: 1}
)"));
  EXPECT_THAT(plan.searched,
              ElementsAre("training.parallelism.tp: 2, 4", "training.recompute: none, full"));
  EXPECT_EQ(plan.counts.considered, 4);
  EXPECT_THAT(plan.candidates.front().settings,
              UnorderedElementsAre(Key("training.parallelism.tp"), Key("training.recompute")));
}

TEST(TrainingPlanTest, GpusMayBeAListAndAnObjective) {
  const std::string job = Job("  gpus: [8, 4]\n");
  PlanOptions options;
  options.minimize = "gpus";
  const Plan fewest = MustPlan(job, options);
  EXPECT_EQ(fewest.candidates.front().settings.at("training.gpus"), "4");
  EXPECT_EQ(fewest.floor, 4);
  EXPECT_EQ(MustPlan(job).candidates.front().settings.at("training.gpus"), "8");
}

TEST(TrainingPlanTest, ThroughputIsMaximisedAndAgreesWithTime) {
  const Plan fastest = MustPlan(Job());
  for (const std::string metric :
       {"tokens_per_second", "tokens_per_second_per_gpu", "mfu", "model_flops_per_gpu"}) {
    PlanOptions options;
    options.minimize = metric;
    const Plan plan = MustPlan(Job(), options);
    EXPECT_FALSE(plan.is_minimized);
    EXPECT_EQ(plan.candidates.front().settings, fastest.candidates.front().settings) << metric;
    EXPECT_EQ(plan.floor, plan.candidates.front().report.Find(metric)->value) << metric;
  }
}

TEST(TrainingPlanTest, LeastMemoryIsWhatTheReportSays) {
  PlanOptions options;
  options.minimize = "memory.peak";
  const Plan plan = MustPlan(Job(), options);
  EXPECT_TRUE(plan.is_minimized);
  EXPECT_EQ(plan.floor, plan.candidates.front().report.Find("memory.peak")->value);
  EXPECT_LT(plan.floor, MustPlan(Job()).candidates.front().report.Find("memory.peak")->value);
}

TEST(TrainingPlanTest, TargetsLeaveOnlyWhatMeetsThem) {
  PlanOptions options;
  options.targets = {TargetOf("memory.peak<=40 GB")};
  const Plan plan = MustPlan(Job(), options);
  ASSERT_TRUE(plan.is_feasible);
  for (const Candidate& candidate : plan.candidates) {
    EXPECT_LE(candidate.report.Find("memory.peak")->value, 40e9);
  }
  EXPECT_GE(StepTime(plan.candidates.front()), StepTime(MustPlan(Job()).candidates.front()));
}

TEST(TrainingPlanTest, ATargetOutOfReachSaysWhatCameClosest) {
  const Plan plan = MustPlan(Job("", "targets: {step_time: 1 ms}\n"));
  EXPECT_FALSE(plan.is_feasible);
  EXPECT_TRUE(plan.candidates.empty());
  EXPECT_THAT(plan.why_not.front(), HasSubstr("closest to the target step_time<=1 ms"));
  EXPECT_EQ(plan.counts.evaluated, 0);
}

TEST(TrainingPlanTest, AModelThatFitsNowhereSaysByHowMuch) {
  const Plan plan = MustPlan(R"(cluster: {nodes: dgx-h100, count: 1}
training: {model: llama-3.1-70b, sequence_length: 4096, global_batch: 8}
)");
  EXPECT_FALSE(plan.is_feasible);
  EXPECT_THAT(plan.why_not.front(), HasSubstr("too much"));
  EXPECT_GT(plan.counts.out_of_memory, 0);
  EXPECT_EQ(plan.counts.evaluated, 0);
}

TEST(TrainingPlanTest, ReasonsAreCounted) {
  const Plan plan = MustPlan(Job("  gpus: 8\n  parallelism: {tp: [1, 16]}\n"));
  EXPECT_THAT(plan.why_not, testing::Contains(HasSubstr("KV heads: tp 16, 8 KV heads (")));
}

TEST(TrainingPlanTest, ExpertsAreSpread) {
  const Plan plan = MustPlan(R"(cluster: {nodes: dgx-h100, count: 8}
training:
  model: mixtral-8x7b-v0.1
  sequence_length: 4096
  global_batch: 128
  micro_batch: 1
  recompute: none
  sharding: zero-1
  parallelism: {vpp: 1, tp: [1, 2, 4]}
)");
  EXPECT_THAT(plan.searched, testing::Contains("training.parallelism.ep: 1, 2, 4, 8"));
  ASSERT_TRUE(plan.is_feasible);
  EXPECT_EQ(plan.candidates.front().settings.count("training.parallelism.ep"), 1U);
}

struct Mistake {
  std::string lines;
  int line = 0;
  int column = 0;
  std::string message;
  ErrorCode code = ErrorCode::kInvalidArgument;
};

TEST(TrainingPlanTest, MistakesArePlacedWhereTheyStand) {
  const std::vector<Mistake> mistakes = {
      {"  parallelism: {tp: [1, two, 4]}\n", 6, 25, "two"},
      {"  parallelism: {tp: [1, 0]}\n", 6, 25, "0", ErrorCode::kOutOfRange},
      {"  recompute: [none, sometimes]\n", 6, 21, "sometimes"},
      {"  sharding: [ddp, zero-4]\n", 6, 19, "zero-4"},
      {"  gpus: [8, 16]\n", 6, 13, "more GPUs than the cluster has: 16 of 8"},
      {"  parallelism: {tp: []}\n", 6, 21, "empty list"},
      {"  precision: [bf16, fp16]\n", 6, 14, ""},
      {"  parallelism: {dp: [1, 2]}\n", 6, 21, ""},
  };
  for (const Mistake& mistake : mistakes) {
    const Result<Plan> plan = TryPlan(Job(mistake.lines));
    ASSERT_FALSE(plan.has_value()) << mistake.lines;
    const Error& error = plan.error();
    ASSERT_TRUE(error.where.has_value()) << RenderError(error);
    EXPECT_EQ(error.where->line, mistake.line) << RenderError(error);
    EXPECT_EQ(error.where->column, mistake.column) << RenderError(error);
    EXPECT_THAT(error.message, HasSubstr(mistake.message));
    EXPECT_EQ(error.code, mistake.code) << RenderError(error);
  }
}

TEST(TrainingPlanTest, AnUnknownObjectiveIsAnError) {
  PlanOptions options;
  options.minimize = "step_tim";
  const Result<Plan> plan = TryPlan(Job(), options);
  ASSERT_FALSE(plan.has_value());
  EXPECT_THAT(plan.error().hint, HasSubstr("step_time"));
}

void ExpectSame(const Plan& a, const Plan& b) {
  EXPECT_EQ(a.counts, b.counts);
  EXPECT_EQ(a.floor, b.floor);
  EXPECT_EQ(a.why_not, b.why_not);
  ASSERT_EQ(a.candidates.size(), b.candidates.size());
  for (size_t i = 0; i < a.candidates.size(); ++i) {
    EXPECT_EQ(a.candidates[i].settings, b.candidates[i].settings);
    EXPECT_EQ(StepTime(a.candidates[i]), StepTime(b.candidates[i]));
  }
}

TEST(TrainingPlanTest, ThreadsChangeNothing) {
  PlanOptions one;
  PlanOptions four;
  four.jobs = 4;
  std::vector<double> incumbents_one;
  std::vector<double> incumbents_four;
  one.on_incumbent = [&](const Candidate& c) { incumbents_one.push_back(StepTime(c)); };
  four.on_incumbent = [&](const Candidate& c) { incumbents_four.push_back(StepTime(c)); };
  for (const std::string& job : {Job(), Job("", "targets: {memory.peak: 50 GB}\n")}) {
    ExpectSame(MustPlan(job, one), MustPlan(job, four));
  }
  EXPECT_EQ(incumbents_one, incumbents_four);
  EXPECT_FALSE(incumbents_one.empty());
}

TEST(TrainingPlanTest, StoppedWithAnIncumbentIsPartialWithItsGap) {
  std::stop_source source;
  PlanOptions options;
  options.keep = 1000;  // so that one round is not the end
  options.stop = Stop(source.get_token());
  options.on_incumbent = [&](const Candidate&) { source.request_stop(); };
  const Plan plan = MustPlan(Job(), options);
  const Plan whole = MustPlan(Job());
  EXPECT_TRUE(plan.is_partial);
  EXPECT_TRUE(plan.is_feasible);
  ASSERT_EQ(plan.candidates.size(), 1U);
  EXPECT_LE(plan.floor, whole.floor);
  EXPECT_GE(plan.gap, 0);
  EXPECT_LT(plan.counts.considered, whole.counts.considered);
}

/// Asks for a stop at the first report of a phase.
class StopAt final : public Progress {
 public:
  StopAt(std::string phase, std::stop_source& source) : phase_(std::move(phase)), source_(source) {}
  void Report(std::string_view phase, double, double, std::string_view) override {
    if (phase == phase_) {
      source_.request_stop();
    }
  }

 private:
  std::string phase_;
  std::stop_source& source_;
};

// The first round is done, its best not yet reported: a stop now still gives the plan.
TEST(TrainingPlanTest, StoppedBehindTheFirstRoundIsPartialWithTheBestOfIt) {
  for (const int keep : {1, 1000}) {
    std::stop_source source;
    StopAt progress("search", source);
    const Plan plan =
        MustPlan(Job(), {.stop = Stop(source.get_token()), .progress = &progress, .keep = keep});
    EXPECT_TRUE(plan.is_feasible);
    EXPECT_EQ(plan.counts.evaluated, 4);
    ASSERT_EQ(plan.candidates.size(), 1U);
    EXPECT_GE(plan.gap, 0);
    EXPECT_DOUBLE_EQ(plan.floor * (1 + plan.gap), StepTime(plan.candidates.front()));
  }
}

TEST(TrainingPlanTest, StoppedWhileBoundsAreCountedIsAnError) {
  for (const std::string phase : {"costs", "bounds"}) {
    std::stop_source source;
    StopAt progress(phase, source);
    const Result<Plan> plan =
        TryPlan(Job(), {.stop = Stop(source.get_token()), .progress = &progress});
    ASSERT_FALSE(plan.has_value()) << phase;
    EXPECT_EQ(plan.error().code, ErrorCode::kCancelled);
  }
}

TEST(TrainingPlanTest, StoppedBeforeAnIncumbentIsAnError) {
  std::stop_source source;
  source.request_stop();
  PlanOptions options;
  options.stop = Stop(source.get_token());
  const Result<Plan> plan = TryPlan(Job(), options);
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace ridgeline::planner

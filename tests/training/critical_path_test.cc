#include "sim/training/critical_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/engine/static_sweep.h"
#include "sim/simulate.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

using engine::Picoseconds;
using engine::TaskIndex;
using testing::ElementsAre;

/// Two streams; a label a cause whose tasks spend all their time on it.
class Chain {
 public:
  Chain() {
    for (uint32_t rank = 0; rank < 2; ++rank) {
      streams_[rank] = step_.program.AddStream(rank, "compute");
    }
  }
  TaskIndex Add(int stream, Cause cause, Picoseconds duration,
                std::vector<TaskIndex> dependencies = {}) {
    const engine::LabelIndex label = step_.program.AddLabel("task", static_cast<uint32_t>(cause));
    BoundedCauseTimes times;
    times.Add(cause, {{duration, duration, duration}});
    step_.label_causes.push_back(times);
    return step_.program.AddTask(streams_[stream], duration, label, dependencies);
  }
  const StepProgram& step() const { return step_; }

 private:
  StepProgram step_;
  engine::StreamIndex streams_[2] = {};
};

// Stream 0: a 10, c 5 after b; stream 1: b 20. c waits for b until 20 and ends at 25: b, c.
TEST(CriticalPathTest, GoesThroughWhatWasWaitedFor) {
  Chain chain;
  chain.Add(0, Cause::kMatmul, 10);
  const TaskIndex b = chain.Add(1, Cause::kAttention, 20);
  const TaskIndex c = chain.Add(0, Cause::kOptimizer, 5, {b});
  const engine::Timeline timeline = engine::StaticSweep(chain.step().program);
  EXPECT_EQ(timeline.makespan, 25);
  EXPECT_THAT(CriticalPath(chain.step().program, timeline), ElementsAre(b, c));
  const CauseTimes times = CriticalPathByCause(chain.step(), timeline, Bound::kMean);
  EXPECT_EQ(times[Cause::kAttention], 20);
  EXPECT_EQ(times[Cause::kOptimizer], 5);
  EXPECT_EQ(times[Cause::kMatmul], 0);
}

TEST(CriticalPathTest, TiesStayOnTheStream) {
  Chain chain;
  const TaskIndex a = chain.Add(0, Cause::kMatmul, 10);
  const TaskIndex b = chain.Add(1, Cause::kAttention, 10);
  const TaskIndex c = chain.Add(0, Cause::kOptimizer, 5, {b});
  const engine::Timeline timeline = engine::StaticSweep(chain.step().program);
  EXPECT_THAT(CriticalPath(chain.step().program, timeline), ElementsAre(a, c));
}

TEST(CriticalPathTest, AddsUpToTheStepAtEveryBound) {
  const sim::Scenario scenario = MustResolve(SmallJob(2, 4, 2, 2, 8));
  const Result<sim::Report> report = sim::Simulate(scenario, {});
  ASSERT_TRUE(report.has_value());
  double sum = 0.0;
  for (const sim::Metric& metric : report->metrics) {
    if (metric.name.starts_with("critical_path.")) {
      sum += metric.value;
    }
  }
  const double step = report->Find("step_time")->value;
  EXPECT_NEAR(sum, step, 1e-12 * step);
  // A chain of tasks waits for nothing: bubbles are off it.
  EXPECT_EQ(report->Find("critical_path.bubble")->value, 0.0);
}

}  // namespace
}  // namespace ridgeline::training

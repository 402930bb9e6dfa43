#include "sim/training/run_report.h"

#include <gtest/gtest.h>

#include "sim/simulate.h"
#include "sim/training/job_failures.h"
#include "sim/training/step_power.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

double Value(const sim::Report& report, const std::string& name) {
  const sim::Metric* const metric = report.Find(name);
  EXPECT_NE(metric, nullptr) << name;
  return metric == nullptr ? 0.0 : metric->value;
}

sim::Report MustSimulate(const std::string& yaml) {
  const sim::Scenario scenario = MustResolve(yaml);
  Result<sim::Report> report = sim::Simulate(scenario, {});
  if (!report) {
    ADD_FAILURE() << RenderError(report.error());
    return {};
  }
  return *std::move(report);
}

// 54 days * 24 h / 419 = 3.093 h on 16,384 GPUs in 2,048 nodes.
TEST(JobFailuresTest, PublishedRunFailsAsItDid) {
  const JobFailures failures = FailuresOf({}, 16384, 2048);
  EXPECT_NEAR(failures.mean_between().base(), 54 * 86400.0 / 419, 1e-6);
  EXPECT_NEAR(failures.components[0].of_job.base(), 54 * 86400.0 / 268, 1e-6);
}

TEST(JobFailuresTest, RatesOfComponentsAddUp) {
  // 8 GPUs at 800 h: 100 h; 1 node at 100 h; 8 ports at 400 h: 50 h; software 25 h. Together
  // 1/100 + 1/100 + 1/50 + 1/25 = 0.08 an hour: 12.5 h.
  const auto hours = [](double value) { return Seconds::FromBase(3600 * value); };
  const JobFailures failures = FailuresOf(
      {.gpu = hours(800), .node = hours(100), .network = hours(400), .software = hours(25)}, 8, 1);
  EXPECT_NEAR(failures.mean_between().base(), 12.5 * 3600, 1e-6);
}

// Half matrix multiplication, half bubble: (1 + 0.174) / 2 of 700 W = 410.9.
TEST(StepPowerTest, FollowsWhatAGpuDoes) {
  hardware::Gpu gpu;
  gpu.power = Watts::FromBase(700);
  CauseTimes times;
  times[Cause::kMatmul] = 50;
  times[Cause::kBubble] = 50;
  const PowerRange power = GpuPowerOf(gpu, {times});
  EXPECT_NEAR(power.mean.base(), 410.9, 1e-9);
  EXPECT_EQ(power.high, gpu.power);
  EXPECT_LT(power.low, power.mean);
}

// A DGX H100 is rated 10.2 kW, its GPUs 5.6: 0.61 * 4.6 kW / 8 = 350.75 W a GPU.
TEST(StepPowerTest, HostsTakeTheirShareOfTheRest) {
  hardware::Gpu gpu;
  gpu.power = Watts::FromBase(700);
  hardware::Node node;
  node.gpus = 8;
  node.power = Watts::FromBase(10200);
  EXPECT_NEAR(HostPowerPerGpu(node, gpu).mean.base(), 350.75, 1e-9);
}

constexpr const char* kRun = R"(
  run:
    tokens: 1000000000
    warm_up: 10 min
    usd_per_gpu_hour: 2
    usd_per_kwh: 0.1
    power_usage_effectiveness: 1.25
    checkpoint: {bandwidth: 10 GB/s, asynchronous: false, restart: 5 min}
    failures: {gpu: 16 h, node: 1000 d, network: 1000 d, software: 1000 d}
)";

TEST(RunReportTest, TimeCostAndEnergyFollowFromTheStep) {
  const sim::Report report = MustSimulate(SmallJob(2, 1, 1, 4, 4, kRun));
  // 16 sequences of 2,048 tokens a step: 30,517.6 steps.
  EXPECT_EQ(Value(report, "run.steps"), 30518);
  EXPECT_NEAR(Value(report, "run.time.steps"), 30518 * Value(report, "step_time"), 1e-3);
  const double time = Value(report, "run.time");
  EXPECT_NEAR(Value(report, "run.time.steps") + Value(report, "run.time.checkpoints") +
                  Value(report, "run.time.restarts") + Value(report, "run.time.rework") +
                  Value(report, "run.time.warm_up"),
              time, 1e-6 * time);
  EXPECT_EQ(Value(report, "run.time.warm_up"), 600);
  EXPECT_NEAR(Value(report, "run.gpu_hours"), time * 8 / 3600, 1e-6);
  EXPECT_NEAR(Value(report, "run.cost"),
              2 * Value(report, "run.gpu_hours") + 0.1 * Value(report, "run.energy") / 3.6e6, 1e-6);
  EXPECT_NEAR(Value(report, "run.step_energy"),
              Value(report, "run.power") * Value(report, "step_time"), 1e-6);
  // Of 8 GPUs and their host at most 10.2 kW, and 1.25 times as much for the facility.
  EXPECT_LE(report.Find("run.power")->high, 1.25 * 10200 + 1e-6);
  EXPECT_GT(report.Find("run.power")->low, 0);
  // 8 GPUs at 16 h: a failure every 2 h or a little less.
  EXPECT_NEAR(Value(report, "run.mtbf"), 7200, 60);
  EXPECT_NEAR(Value(report, "run.failures"), (time - 600) / Value(report, "run.mtbf"), 1e-6);
}

TEST(RunReportTest, CheckpointIsWeightsAndStatesOnce) {
  const sim::Scenario scenario = MustResolve(SmallJob(2, 1, 1, 4, 4, kRun));
  const Result<StageCosts> stages =
      CostStages(*scenario.training, compute::OperationTime::Of(scenario.cluster));
  ASSERT_TRUE(stages.has_value());
  const Result<CheckpointCost> cost = CostCheckpoint(scenario, *stages);
  ASSERT_TRUE(cost.has_value());
  // Megatron: bf16 weights, fp32 master and two fp32 moments: 14 B a parameter.
  const auto parameters =
      static_cast<double>(workloads::CountParameters(scenario.training->model).total);
  EXPECT_NEAR(cost->size.base(), 14 * parameters, 1e-6 * parameters);
  EXPECT_NEAR(cost->write.base(), 14 * parameters / 1e10, 1e-9);
  // The distributed optimizer: each of 8 GPUs copies an eighth over 48 GB/s of PCIe.
  EXPECT_EQ(cost->writers, 8);
  EXPECT_NEAR(cost->copy.base(), 14 * parameters / 8 / 48e9, 1e-9);
}

TEST(RunReportTest, AsynchronousCheckpointsStopTheJobForLess) {
  const std::string synchronous = SmallJob(2, 1, 1, 4, 4, kRun);
  std::string asynchronous = synchronous;
  asynchronous.replace(asynchronous.find("asynchronous: false"), 19, "asynchronous: true");
  const sim::Report waits = MustSimulate(synchronous);
  const sim::Report goes_on = MustSimulate(asynchronous);
  EXPECT_LT(Value(goes_on, "run.checkpoint.stall"), Value(waits, "run.checkpoint.stall"));
  EXPECT_GT(Value(goes_on, "run.goodput"), Value(waits, "run.goodput"));
}

TEST(RunReportTest, WithoutTokensThereIsNoRunTime) {
  const sim::Report report = MustSimulate(SmallJob(2, 1, 1, 4, 4, "  run: {}\n"));
  EXPECT_EQ(report.Find("run.time"), nullptr);
  EXPECT_NE(report.Find("run.goodput"), nullptr);
}

TEST(RunReportTest, AJobWithoutARunHasNoneOfIt) {
  const sim::Report report = MustSimulate(SmallJob(2, 1, 1, 4, 4));
  for (const sim::Metric& metric : report.metrics) {
    EXPECT_FALSE(metric.name.starts_with("run.")) << metric.name;
  }
}

}  // namespace
}  // namespace ridgeline::training

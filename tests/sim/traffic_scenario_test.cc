// Items of traffic that share one fabric, through the front door.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/simulate.h"
#include "tests/training/scenarios.h"

namespace ridgeline::sim {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Ten nodes on two leaves: 5 x 8 ports down, half as much capacity up. Leaf and spine capacities in
// ports of 48 GB/s: 40 down, 20 up.
constexpr std::string_view kTwoLeaves =
    "cluster: {nodes: dgx-h100, count: 10, fabric: fat-tree-oversubscribed-2to1-400g}\n";

Report Simulated(const std::string& yaml) {
  Result<Report> report = Simulate(training::MustResolve(yaml), {});
  if (!report) {
    ADD_FAILURE() << RenderError(report.error());
    return {};
  }
  return *std::move(report);
}

double ValueOf(const Report& report, const std::string& name) {
  const Metric* const metric = report.Find(name);
  EXPECT_NE(metric, nullptr) << name;
  return metric == nullptr ? 0.0 : metric->value;
}

std::string ErrorsOf(const std::string& yaml) {
  const Result<Scenario> scenario = training::Resolve(yaml);
  return scenario ? "" : RenderError(scenario.error());
}

std::string Item(const std::string& name, int first, int nodes, int to) {
  return "  - {name: " + name +
         ", collective: send, bytes: 1 GiB, on: {first_node: " + std::to_string(first) +
         ", nodes: " + std::to_string(nodes) + "}, to: {first_node: " + std::to_string(to) +
         ", nodes: " + std::to_string(nodes) + "}}\n";
}

TEST(TrafficScenarioTest, AnItemByItselfTakesWhatItTakesAlone) {
  const Report report =
      Simulated(std::string(kTwoLeaves) + "network: {fidelity: flow}\ntraffic:\n" +
                "  - {name: only, collective: all_reduce, bytes: 256 MiB, start: 3 ms}\n");
  EXPECT_DOUBLE_EQ(ValueOf(report, "item.only.slowdown"), 1.0);
  EXPECT_DOUBLE_EQ(ValueOf(report, "item.only.begin"), 3e-3);
  EXPECT_NEAR(ValueOf(report, "item.only.time"), ValueOf(report, "item.only.alone"), 2e-12);
  EXPECT_NEAR(ValueOf(report, "traffic_time"), 3e-3 + ValueOf(report, "item.only.time"), 2e-12);
}

TEST(TrafficScenarioTest, TransfersAcrossTheSameUplinksGetTheirMaxMinShares) {
  // a: 24 GPUs of leaf 0 to leaf 1: 24 flows on 20 ports' worth of uplinks, 40 GB/s each alone.
  // b: 16 GPUs of leaf 0 to leaf 1: 16 flows, their ports bind alone, 48 GB/s each.
  // Together 40 flows on 20: 24 GB/s each. Equal bytes, so both end at once: 40/24 and 48/24.
  const Report report =
      Simulated(std::string(kTwoLeaves) + "network: {fidelity: flow}\ntraffic:\n" +
                Item("a", 0, 3, 5) + Item("b", 3, 2, 8));
  // Latency, which is not slowed, is 20 us of 22 to 45 ms.
  EXPECT_NEAR(ValueOf(report, "item.a.slowdown"), 40.0 / 24, 2e-3);
  EXPECT_NEAR(ValueOf(report, "item.b.slowdown"), 2.0, 2e-3);
  EXPECT_DOUBLE_EQ(ValueOf(report, "slowdown.max"), ValueOf(report, "item.b.slowdown"));
}

TEST(TrafficScenarioTest, ItemsWithoutASharedLinkDoNotSlowOneAnother) {
  const Report report =
      Simulated(std::string(kTwoLeaves) + "network: {fidelity: flow}\ntraffic:\n" +
                "  - {name: left, collective: all_reduce, bytes: 1 GiB, on: {nodes: 5}}\n"
                "  - {name: right, collective: all_reduce, bytes: 1 GiB,"
                " on: {first_node: 5, nodes: 5}}\n");
  EXPECT_NEAR(ValueOf(report, "slowdown.max"), 1.0, 1e-9);
}

TEST(TrafficScenarioTest, GpusOfOneNodeShareItsSwitchOnlyWherePortsMeet) {
  // GPU 0 to 1 twice shares both ports of NVLink: half each. 2 to 3 beside them is alone.
  const auto pair = [](const std::string& name, int from) {
    return "  - {name: " + name +
           ", collective: send, bytes: 1 GiB, on: {nodes: 1, first_gpu: " + std::to_string(from) +
           ", gpus_per_node: 1}, to: {nodes: 1, first_gpu: " + std::to_string(from + 1) +
           ", gpus_per_node: 1}}\n";
  };
  const Report report =
      Simulated("cluster: {nodes: dgx-h100}\nnetwork: {fidelity: flow}\ntraffic:\n" + pair("a", 0) +
                pair("b", 0) + pair("c", 2));
  EXPECT_NEAR(ValueOf(report, "item.a.slowdown"), 2.0, 5e-2);  // latency and ramp are not slowed
  EXPECT_NEAR(ValueOf(report, "item.b.slowdown"), 2.0, 5e-2);
  EXPECT_NEAR(ValueOf(report, "item.c.slowdown"), 1.0, 1e-9);
}

TEST(TrafficScenarioTest, RepetitionsFollowOneAnother) {
  const Report report =
      Simulated(std::string(kTwoLeaves) + "network: {fidelity: flow}\ntraffic:\n" +
                "  - {name: a, collective: all_gather, bytes: 64 MiB, repeat: 5}\n");
  EXPECT_NEAR(ValueOf(report, "item.a.end"), 5 * ValueOf(report, "item.a.alone"), 2e-11);
}

TEST(TrafficScenarioTest, ClosedFormsSayThatTheyKnowNoSharing) {
  const Report report =
      Simulated(std::string(kTwoLeaves) + "traffic:\n" + Item("a", 0, 3, 5) + Item("b", 3, 2, 8));
  EXPECT_DOUBLE_EQ(ValueOf(report, "slowdown.max"), 1.0);
  ASSERT_EQ(report.warnings.size(), 1U);
  EXPECT_THAT(report.warnings.front().message, HasSubstr("know no sharing"));
}

// A port of 48 GB/s, a quarter of which is left: 1 GiB at 12 GB/s are 89.5 ms.
TEST(TrafficScenarioTest, APortAtFaultIsAsSlowAsWhatIsLeftOfIt) {
  const std::string job =
      "cluster: {nodes: dgx-h100, count: 4, fabric: {base: rail-optimized-400g, faults: "
      "[{link: node0.nic0-leaf0, bandwidth: 100 Gb/s}]}}\n"
      "traffic: [{name: a, collective: send, bytes: 1 GiB, on: {nodes: 1, gpus_per_node: 1}, "
      "to: {first_node: 3, nodes: 1, gpus_per_node: 1}}]\n";
  EXPECT_NEAR(ValueOf(Simulated(job + "network: {fidelity: flow}\n"), "item.a.time"), 89.5e-3,
              1e-3);
  const Report closed = Simulated(job);
  ASSERT_FALSE(closed.warnings.empty());
  EXPECT_THAT(closed.warnings.back().message, HasSubstr("know no faults"));
}

TEST(TrafficScenarioTest, MistakesAreToldWithTheirPlace) {
  const std::string errors = ErrorsOf(
      std::string(kTwoLeaves) +
      "traffic:\n"  // 2
      "  - {name: a, collective: send, bytes: 1 GiB, on: {nodes: 1}, to: {first_node: 12}}\n"
      "  - {name: a, collective: all_reduce, bytes: 1 GiB, on: {nodes: 11}}\n");  // 4
  EXPECT_THAT(errors,
              AllOf(HasSubstr("test.yaml:3:"), HasSubstr("node 12 of 10"),
                    HasSubstr("the last is 9"), HasSubstr("test.yaml:4:"),
                    HasSubstr("a second item of that name: a"), HasSubstr("use at most 10")));
  EXPECT_THAT(
      ErrorsOf(std::string(kTwoLeaves) + "traffic: [{name: a, collective: send, bytes: 1 GiB}]\n"),
      HasSubstr("a transfer to nobody: a"));
  EXPECT_THAT(
      ErrorsOf(
          std::string(kTwoLeaves) +
          "traffic:\n  - {name: a, collective: send, bytes: 1 GiB, on: {nodes: 2}, to: {nodes: "
          "1}}\n"),
      AllOf(HasSubstr("test.yaml:3:"), HasSubstr("a pairs 16 senders with 8 receivers")));
  EXPECT_THAT(ErrorsOf(std::string(kTwoLeaves) +
                       "network: {library: nccl-9}\ntraffic: [{name: a, collective: all_gather, "
                       "bytes: 1 GiB}]\n"),
              AllOf(HasSubstr("test.yaml:2:"), HasSubstr("nccl-9")));
}

TEST(FidelityTest, ATrainingStepTakesTheSameWhereNothingIsShared) {
  const std::string job = training::SmallJob(2, 2, 1, 8, 8);
  const double closed = ValueOf(Simulated(job), "step_time");
  EXPECT_DOUBLE_EQ(ValueOf(Simulated(job + "network: {fidelity: flow}\n"), "step_time"), closed);
}

TEST(FidelityTest, ASlowSpineSlowsAStepUnderFlowsOnly) {
  // One replica a node (tp 8), 64 nodes under 2:1: the reduction of gradients leaves its leaves.
  std::string job = training::SmallJob(8, 1, 1, 64, 1);
  const std::string plain = "cluster: {nodes: dgx-h100, count: 64}";
  job.replace(job.find(plain), plain.size(),
              "cluster: {nodes: dgx-h100, count: 64, fabric: {base: fat-tree-400g, faults: [{link: "
              "leaf0-spine0, bandwidth: 1 Gb/s}], routing: ecmp}}");
  const double closed = ValueOf(Simulated(job), "step_time");
  EXPECT_GT(ValueOf(Simulated(job + "network: {fidelity: flow}\n"), "step_time"), closed);
}

}  // namespace
}  // namespace ridgeline::sim

// Flows worked out by hand. Rates in bytes a second, times in picoseconds.
#include "sim/engine/flow_engine.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/engine/flow_network.h"

namespace ridgeline::engine {
namespace {

using ::testing::ElementsAre;

constexpr Picoseconds kMillisecond = 1'000'000'000;
constexpr Picoseconds kSecond = 1'000 * kMillisecond;
using Links = std::vector<LinkIndex>;
using Crossings = std::vector<Traffic::Crossing>;
using Flows = std::vector<FlowIndex>;

FlowTimes RunFlows(const Traffic& traffic) {
  Result<FlowTimes> times = FlowEngine().Run(traffic, {});
  CHECK(times.has_value(), "{}", times ? "" : times.error().message);
  return *std::move(times);
}

TEST(FlowEngineTest, OneFlowTakesBytesOverCapacityExactly) {
  Traffic traffic({50e9});
  traffic.AddFlow({.bytes = 1e9}, Links{0});
  const FlowTimes times = RunFlows(traffic);
  EXPECT_THAT(times.begin, ElementsAre(0));
  EXPECT_THAT(times.end, ElementsAre(20 * kMillisecond));
  EXPECT_EQ(times.makespan, 20 * kMillisecond);
}

TEST(FlowEngineTest, AnEndIsRoundedUpToThePicosecond) {
  // 1 byte at 3e12 bytes a second: a third of a picosecond. 7 bytes: 2.33.
  Traffic traffic({3e12, 3e12});
  traffic.AddFlow({.bytes = 1}, Links{0});
  traffic.AddFlow({.bytes = 7}, Links{1});
  EXPECT_THAT(RunFlows(traffic).end, ElementsAre(1, 3));
}

TEST(FlowEngineTest, TwoFlowsShareOneToOneAndTheLongerSpeedsUp) {
  // 30 and 50 GB on 10 GB/s: both at 5 until 6 s; then 20 GB are left, at 10: 8 s.
  Traffic traffic({10e9});
  traffic.AddFlow({.bytes = 30e9}, Links{0});
  traffic.AddFlow({.bytes = 50e9}, Links{0});
  EXPECT_THAT(RunFlows(traffic).end, ElementsAre(6 * kSecond, 8 * kSecond));
}

TEST(FlowEngineTest, StaggeredStarts) {
  // The first alone moves 10 of its 20 GB in 1 s. Then 5 GB/s each: its other 10 take 2 s. The
  // second has then 10 of its 20 GB left, at 10 GB/s: 4 s.
  Traffic traffic({10e9});
  traffic.AddFlow({.bytes = 20e9}, Links{0});
  traffic.AddFlow({.bytes = 20e9, .start = kSecond}, Links{0});
  const FlowTimes times = RunFlows(traffic);
  EXPECT_THAT(times.begin, ElementsAre(0, kSecond));
  EXPECT_THAT(times.end, ElementsAre(3 * kSecond, 4 * kSecond));
}

TEST(FlowEngineTest, PredecessorsThenStartThenDelay) {
  // 10 GB/s. Flow 0 ends at 1 s; flow 1 begins 2 s later, ends at 4 s; flow 2 waits for both and
  // for its start at 3 s, then 1 s: begins at 5 s.
  Traffic traffic({10e9});
  const FlowIndex first = traffic.AddFlow({.bytes = 10e9}, Links{0});
  const FlowIndex second =
      traffic.AddFlow({.bytes = 10e9, .delay = 2 * kSecond}, Links{0}, Flows{first});
  traffic.AddFlow({.bytes = 10e9, .start = 3 * kSecond, .delay = kSecond}, Links{0},
                  Flows{first, second});
  const FlowTimes times = RunFlows(traffic);
  EXPECT_THAT(times.begin, ElementsAre(0, 3 * kSecond, 5 * kSecond));
  EXPECT_THAT(times.end, ElementsAre(kSecond, 4 * kSecond, 6 * kSecond));
}

TEST(FlowEngineTest, NoBytesEndAtOnceAndStillDelayThoseBehind) {
  Traffic traffic({10e9});
  const FlowIndex barrier = traffic.AddFlow({.bytes = 0, .delay = kSecond}, Links{0});
  const FlowIndex next = traffic.AddFlow({.bytes = 0}, Links{}, Flows{barrier});
  traffic.AddFlow({.bytes = 10e9}, Links{0}, Flows{next});
  const FlowTimes times = RunFlows(traffic);
  EXPECT_THAT(times.begin, ElementsAre(kSecond, kSecond, kSecond));
  EXPECT_THAT(times.end, ElementsAre(kSecond, kSecond, 2 * kSecond));
}

TEST(FlowEngineTest, AnEmptyPathTakesBytesOverCapOrNothing) {
  Traffic traffic({});
  traffic.AddFlow({.bytes = 10e9, .cap = 5e9}, Links{});
  traffic.AddFlow({.bytes = 10e9, .start = kSecond}, Links{});
  EXPECT_THAT(RunFlows(traffic).end, ElementsAre(2 * kSecond, kSecond));
}

TEST(FlowEngineTest, NoTrafficTakesNoTime) { EXPECT_EQ(RunFlows(Traffic({1.0})).makespan, 0); }

TEST(FlowEngineTest, ALinkThatIsDownIsAnError) {
  Traffic traffic({0.0});
  traffic.AddFlow({.bytes = 1}, Links{0});
  const Result<FlowTimes> times = FlowEngine().Run(traffic, {});
  ASSERT_FALSE(times.has_value());
  EXPECT_EQ(times.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(times.error().message,
            "traffic never ends: 1 of 1 flows stand still on links without capacity, or are too "
            "slow for the clock");
}

TEST(FlowEngineTest, StopIsHonoured) {
  // Each flow waits for the one before: 5,000 events.
  Traffic traffic({1e9});
  Flows before;
  for (int i = 0; i < 5000; ++i) {
    before = {traffic.AddFlow({.bytes = 1e9}, Links{0}, before)};
  }
  std::stop_source source;
  source.request_stop();
  const Result<FlowTimes> times = FlowEngine().Run(traffic, Stop(source.get_token()));
  ASSERT_FALSE(times.has_value());
  EXPECT_EQ(times.error().code, ErrorCode::kCancelled);
}

TEST(FlowNetworkTest, ALinkThatIsDegradedInFlight) {
  // 1 GB at 50 GB/s; 0.5 GB are left at 10 ms, at 25 GB/s: 20 ms more.
  FlowNetwork network(std::vector<double>{50e9});
  std::vector<FlowNetwork::FlowId> ended;
  const auto flow = network.Start(1e9, kUncapped, Crossings{{.link = 0}});
  EXPECT_EQ(network.NextEnd(), 20 * kMillisecond);
  network.AdvanceTo(10 * kMillisecond, ended);
  EXPECT_THAT(ended, ElementsAre());
  EXPECT_DOUBLE_EQ(network.RemainingOf(flow), 0.5e9);
  network.SetCapacity(0, 25e9);
  EXPECT_EQ(network.NextEnd(), 30 * kMillisecond);
  network.AdvanceTo(30 * kMillisecond, ended);
  EXPECT_THAT(ended, ElementsAre(flow));
  EXPECT_EQ(network.NextEnd(), FlowNetwork::kNever);
}

TEST(FlowNetworkTest, ALinkThatIsDownAndUpAgain) {
  FlowNetwork network(std::vector<double>{50e9});
  std::vector<FlowNetwork::FlowId> ended;
  const auto flow = network.Start(1e9, kUncapped, Crossings{{.link = 0}});
  network.AdvanceTo(10 * kMillisecond, ended);
  network.SetCapacity(0, 0);
  EXPECT_EQ(network.NextEnd(), FlowNetwork::kNever);
  network.AdvanceTo(50 * kMillisecond, ended);
  network.SetCapacity(0, 50e9);
  EXPECT_EQ(network.NextEnd(), 60 * kMillisecond);
  EXPECT_EQ(network.RateOf(flow), 50e9);
}

TEST(FlowNetworkTest, ACancelledFlowLeavesItsShare) {
  // Two at 25 GB/s until 10 ms; then one alone has 0.75 GB left, at 50 GB/s: 15 ms more.
  FlowNetwork network(std::vector<double>{50e9});
  std::vector<FlowNetwork::FlowId> ended;
  const auto stays = network.Start(1e9, kUncapped, Crossings{{.link = 0}});
  const auto goes = network.Start(0.5e9, kUncapped, Crossings{{.link = 0}});
  EXPECT_EQ(network.NextEnd(), 20 * kMillisecond);
  network.AdvanceTo(10 * kMillisecond, ended);
  network.Cancel(goes);
  EXPECT_EQ(network.NextEnd(), 25 * kMillisecond);
  network.AdvanceTo(25 * kMillisecond, ended);
  EXPECT_THAT(ended, ElementsAre(stays));
}

}  // namespace
}  // namespace ridgeline::engine

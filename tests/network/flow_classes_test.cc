// Symmetry of traffic: what becomes one class, and that times do not change.
#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "sim/engine/flow_engine.h"
#include "sim/network/traffic_classes.h"

namespace ridgeline::network {
namespace {

using engine::FlowIndex;
using engine::FlowSpec;
using engine::FlowTimes;
using engine::LinkIndex;
using engine::Traffic;

constexpr double kGigabyte = 1e9;

void Add(Traffic& traffic, const FlowSpec& flow, std::vector<LinkIndex> path,
         std::vector<FlowIndex> predecessors = {}) {
  traffic.AddFlow(flow, std::span<const LinkIndex>(path), predecessors);
}

/// Links 2 i out of and 2 i + 1 into port i, each 1 GB/s; a flow from each to the next.
Traffic Ring(int n, std::vector<double> capacity) {
  Traffic traffic(std::move(capacity));
  for (int i = 0; i < n; ++i) {
    Add(traffic, {.bytes = kGigabyte}, {2 * i, 2 * ((i + 1) % n) + 1});
  }
  return traffic;
}

FlowTimes TimesOf(const Traffic& traffic) { return engine::FlowEngine().Run(traffic, {}).value(); }

TEST(TrafficClassesTest, ARingOfEqualLinksIsOneFlow) {
  const TrafficClasses classes = CollapseTraffic(Ring(1000, std::vector<double>(2000, kGigabyte)));
  EXPECT_EQ(classes.traffic.num_flows(), 1);
  EXPECT_EQ(classes.traffic.num_links(), 1);  // each is crossed by one flow of the class
  EXPECT_EQ(classes.traffic.flow(0).multiplicity, 1000);
  ASSERT_EQ(classes.traffic.path(0).size(), 1U);
  EXPECT_EQ(classes.traffic.path(0)[0].count, 1);
  EXPECT_EQ(classes.links_in[0], 2000);
}

// The flow over the slow port is alone there; all others stay alike.
TEST(TrafficClassesTest, OneSlowLinkMakesOneMoreClass) {
  std::vector<double> capacity(2000, kGigabyte);
  capacity[10] = 0.5 * kGigabyte;
  const Traffic traffic = Ring(1000, capacity);
  const TrafficClasses classes = CollapseTraffic(traffic);
  EXPECT_EQ(classes.traffic.num_flows(), 2);
  const FlowTimes times = RunCollapsed(traffic, engine::FlowEngine(), {}).value();
  EXPECT_EQ(times.end[5], 2'000'000'000'000);
  EXPECT_EQ(times.end[4], 1'000'000'000'000);
  EXPECT_EQ(times.end[6], 1'000'000'000'000);
  EXPECT_EQ(times.makespan, 2'000'000'000'000);
}

// 8 flows out of 8 ports of 1 GB/s into one link of 4 GB/s: half a GB/s each. One class of 8, which
// the shared link carries 8 times and each port once.
TEST(TrafficClassesTest, ASharedLinkCountsItsCrossings) {
  std::vector<double> capacity(9, kGigabyte);
  capacity[8] = 4 * kGigabyte;
  Traffic traffic(capacity);
  for (int i = 0; i < 8; ++i) {
    Add(traffic, {.bytes = kGigabyte}, {i, 8});
  }
  const TrafficClasses classes = CollapseTraffic(traffic);
  ASSERT_EQ(classes.traffic.num_flows(), 1);
  ASSERT_EQ(classes.traffic.num_links(), 2);
  EXPECT_EQ(classes.traffic.path(0)[0].count, 1);
  EXPECT_EQ(classes.traffic.path(0)[1].count, 8);
  EXPECT_EQ(classes.link_of[1], 8);
  EXPECT_EQ(TimesOf(classes.traffic).makespan, 2'000'000'000'000);
  EXPECT_EQ(TimesOf(traffic).makespan, 2'000'000'000'000);
}

// Who waits for another class is another class, though bytes and links are the same.
TEST(TrafficClassesTest, PredecessorsTellFlowsApart) {
  Traffic traffic(std::vector<double>(4, kGigabyte));
  for (int i = 0; i < 4; ++i) {
    Add(traffic, {.bytes = kGigabyte}, {i});
  }
  for (int i = 0; i < 4; ++i) {
    Add(traffic, {.bytes = kGigabyte}, {i}, {i, (i + 1) % 4});
  }
  const TrafficClasses classes = CollapseTraffic(traffic);
  ASSERT_EQ(classes.traffic.num_flows(), 2);
  EXPECT_EQ(classes.traffic.predecessors(1).size(), 1U);
  EXPECT_EQ(RunCollapsed(traffic, engine::FlowEngine(), {}).value().makespan, 2'000'000'000'000);
}

// A path of links shared by neighbours: flow i crosses links i and i + 1. Mirror images are alike,
// so 9 flows are 5 classes: the ends' difference reaches the middle only round by round.
TEST(TrafficClassesTest, DifferencesSpreadAlongSharedLinks) {
  Traffic traffic(std::vector<double>(10, kGigabyte));
  for (int i = 0; i < 9; ++i) {
    Add(traffic, {.bytes = kGigabyte}, {i, i + 1});
  }
  const TrafficClasses classes = CollapseTraffic(traffic);
  EXPECT_EQ(classes.traffic.num_flows(), 5);
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(classes.class_of[static_cast<size_t>(i)],
              classes.class_of[static_cast<size_t>(8 - i)]);
  }
  // Inner flows halve with each neighbour; both runs agree flow by flow.
  const FlowTimes collapsed = RunCollapsed(traffic, engine::FlowEngine(), {}).value();
  const FlowTimes expanded = TimesOf(traffic);
  for (size_t i = 0; i < 9; ++i) {
    EXPECT_NEAR(static_cast<double>(collapsed.end[i]), static_cast<double>(expanded.end[i]), 4.0);
  }
}

// 256 GPUs of 8 to a node, 8 rails, 8 nodes a leaf, uplinks 4:1: a leaf's aggregated uplink carries
// 8 ports' flows at 1/4 of their sum. All-to-all along rails: each GPU to its 31 peers.
// Uplink: 8 x 24 flows out of 2 ports' capacity; each flow (2/192) of a port; 24 of them take a
// quarter of the port, the 7 others the rest, 0.75/7 each, and end first: 7 x part / 0.75.
// Part 1 GB / 31 at 1 GB/s: local end 7/31/0.75 = 0.301075 s, remote 192/2/31 = 3.096774 s.
TEST(TrafficClassesTest, AllToAllOverAnOversubscribedTreeIsTwoClasses) {
  constexpr int kNodes = 32;
  constexpr int kRails = 8;
  constexpr int kLeaves = 4;
  const auto port = [](int node, int rail, int direction) {
    return 2 * (node * kRails + rail) + direction;
  };
  const auto uplink = [](int leaf, int rail, int direction) {
    return 2 * kNodes * kRails + 2 * (leaf * kRails + rail) + direction;
  };
  std::vector<double> capacity(2 * kNodes * kRails, kGigabyte);
  capacity.resize(capacity.size() + 2 * kLeaves * kRails, 2 * kGigabyte);
  Traffic traffic(capacity);
  for (int rail = 0; rail < kRails; ++rail) {
    for (int from = 0; from < kNodes; ++from) {
      for (int to = 0; to < kNodes; ++to) {
        if (from / 8 == to / 8 && from != to) {
          Add(traffic, {.bytes = kGigabyte / 31}, {port(from, rail, 0), port(to, rail, 1)});
        } else if (from != to) {
          Add(traffic, {.bytes = kGigabyte / 31},
              {port(from, rail, 0), uplink(from / 8, rail, 0), uplink(to / 8, rail, 1),
               port(to, rail, 1)});
        }
      }
    }
  }
  ASSERT_EQ(traffic.num_flows(), 7936);
  const TrafficClasses classes = CollapseTraffic(traffic);
  EXPECT_EQ(classes.traffic.num_flows(), 2);
  const FlowTimes times = TimesOf(classes.traffic);
  EXPECT_NEAR(static_cast<double>(times.end[0]) * 1e-12, 7.0 / 31 / 0.75, 1e-9);
  EXPECT_NEAR(static_cast<double>(times.makespan) * 1e-12, 96.0 / 31, 1e-9);
}

TEST(TrafficClassesTest, NoTrafficIsNoClasses) {
  const TrafficClasses classes = CollapseTraffic(Traffic({1.0}));
  EXPECT_EQ(classes.traffic.num_flows(), 0);
  EXPECT_EQ(classes.traffic.num_links(), 0);
}

}  // namespace
}  // namespace ridgeline::network

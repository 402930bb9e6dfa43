// The closed forms of collectives, by hand.
#include <gtest/gtest.h>

#include "sim/network/all_to_all.h"
#include "sim/network/hierarchical.h"
#include "sim/network/in_switch.h"
#include "sim/network/ring.h"
#include "sim/network/tree.h"
#include "sim/network/wire_bound.h"

namespace ridgeline::network {
namespace {

constexpr GroupShape kEight{.ranks = 8, .nodes = 1, .per_node = 8};
constexpr GroupShape kFourNodes{.ranks = 32, .nodes = 4, .per_node = 8};
constexpr GroupHops kHops{
    .base = Microseconds(10),
    .inside = {.latency = Microseconds(2), .bandwidth = GigabytesPerSecond(50)},
    .across = {.latency = Microseconds(5), .bandwidth = GigabytesPerSecond(5)}};

// 14 steps of 1 GB / 8 at 50 GB/s: 10 us + 14 x (2 us + 2.5 ms) = 35.038 ms.
TEST(RingTest, AllReduceOfEightRanksByHand) {
  EXPECT_NEAR(RingAllReduceTime(kEight, Gigabytes(1), kHops).base(), 0.035038, 1e-12);
}

// 7 steps: 10 us + 7 x (2 us + 2.5 ms) = 17.524 ms.
TEST(RingTest, AllGatherAndReduceScatterAreHalfAnAllReduce) {
  EXPECT_NEAR(RingAllGatherTime(kEight, Gigabytes(1), kHops).base(), 0.017524, 1e-12);
  EXPECT_EQ(RingReduceScatterTime(kEight, Gigabytes(1), kHops),
            RingAllGatherTime(kEight, Gigabytes(1), kHops));
}

// 62 steps, 6 of them across nodes; at the border 8 shares of 5 GB/s = 40, slower than 50 inside:
// 10 us + 56 x 2 us + 6 x 5 us + 62 x (1 GB / 32) / 40 GB/s = 152 us + 48.4375 ms.
TEST(RingTest, OverNodesTheBorderOfANodeSetsTheBandwidth) {
  EXPECT_NEAR(RingAllReduceTime(kFourNodes, Gigabytes(1), kHops).base(), 0.0485895, 1e-12);
}

// With one rank a node only the network counts: 6 x 5 us + 10 us + 6 x 250 MB / 5 GB/s = 300.04 ms.
TEST(RingTest, OneRankANodeSeesTheNetworkOnly) {
  EXPECT_NEAR(RingAllReduceTime(AcrossOf(kFourNodes), Gigabytes(1), kHops).base(), 0.30004, 1e-12);
}

// Volume of a ring all-reduce: 2 (N - 1)/N of the buffer leave each rank.
TEST(RingTest, BusBandwidthOfALargeAllReduceIsThatOfTheLink) {
  for (const double n : {2.0, 3.0, 8.0, 1000.0}) {
    const GroupShape shape{.ranks = n, .nodes = 1, .per_node = n};
    const double time = RingAllReduceTime(shape, Gigabytes(1e9), kHops).base();
    EXPECT_NEAR(2 * (n - 1) / n * 1e18 / time, 50e9, 50e3) << n;
  }
}

// 10 us + 7 x 2 us + 1 GB / 50 GB/s = 20.024 ms.
TEST(RingTest, BroadcastIsPipelined) {
  EXPECT_NEAR(RingBroadcastTime(kEight, Gigabytes(1), kHops).base(), 0.020024, 1e-12);
}

// 10 us + 2 (7 x 2 us + 2 x 5 us) + 2 GB / 40 GB/s = 58 us + 50 ms.
TEST(TreeTest, AllReduceOverFourNodesByHand) {
  EXPECT_NEAR(TreeAllReduceTime(kFourNodes, Gigabytes(1), kHops).base(), 0.050058, 1e-12);
}

// 64 ranks, one a node: 10 us + 6 x 5/3.5 us + 64 x 2.8 us + 63/64 GB / 5 GB/s.
TEST(TreeTest, AggregatedTreesHaveLogarithmicNetworkLatency) {
  const GroupShape shape{.ranks = 64, .nodes = 64, .per_node = 1};
  EXPECT_NEAR(AggregatedTreesTime(shape, Gigabytes(1), kHops).base(),
              10e-6 + 30e-6 / 3.5 + 179.2e-6 + 0.196875, 1e-12);
}

// 2 us + 1.125 GB / 50 GB/s = 22.502 ms, where a ring moves 1.75 GB.
TEST(InSwitchTest, EachRankSendsItsBufferOnceAndAnEighthAgain) {
  EXPECT_NEAR(InSwitchAllReduceTime(8, Gigabytes(1), kHops.inside).base(), 0.022502, 1e-12);
}

// 1 GB in 32 parts, 7 stay (at 50 GB/s), 24 leave (at 5 GB/s): 10 us + 4 x 5 us + 150 ms.
TEST(AllToAllTest, PartsThatLeaveTheNodeSetThePace) {
  EXPECT_NEAR(AllToAllTime(kFourNodes, Gigabytes(1), kHops).base(), 0.15003, 1e-12);
  // One node: 10 us + 2 us + 7/8 GB / 50 GB/s.
  EXPECT_NEAR(AllToAllTime(kEight, Gigabytes(1), kHops).base(), 0.017512, 1e-12);
}

TEST(AllToAllTest, AMessageTakesTheLinkOfItsPair) {
  EXPECT_NEAR(SendTime({.ranks = 2, .nodes = 1, .per_node = 2}, Gigabytes(1), kHops).base(),
              0.020012, 1e-12);
  EXPECT_NEAR(SendTime({.ranks = 2, .nodes = 2, .per_node = 1}, Gigabytes(1), kHops).base(),
              0.200015, 1e-12);
}

TEST(ClosedFormsTest, OneRankTakesNoTime) {
  constexpr GroupShape kOne;
  EXPECT_EQ(RingAllReduceTime(kOne, Gigabytes(1), kHops), Seconds{});
  EXPECT_EQ(TreeAllReduceTime(kOne, Gigabytes(1), kHops), Seconds{});
  EXPECT_EQ(AllToAllTime(kOne, Gigabytes(1), kHops), Seconds{});
  EXPECT_EQ(InSwitchAllReduceTime(1, Gigabytes(1), kHops.inside), Seconds{});
}

// The last node may hold fewer: 20 ranks, 8 a node, lie on three.
TEST(GroupShapeTest, NodesRoundUp) {
  EXPECT_EQ(ShapeOf({.ranks = 20, .ranks_per_node = 8}).nodes, 3);
  EXPECT_EQ(ShapeOf({.ranks = 4, .ranks_per_node = 8}).nodes, 1);
}

// All-reduce of 1 GB over 4 nodes of 8, 50 GB/s inside, 5 GB/s a share: a node must pass
// 2 x 3/4 GB through 40 GB/s = 37.5 ms; a rank 2 x 31/32 GB through 55 GB/s = 35.2 ms.
TEST(WireBoundTest, TheSlowerOfRankAndNodeBounds) {
  const WirePeaks peaks{.inside = GigabytesPerSecond(50), .across = GigabytesPerSecond(5)};
  const RankGroup group{.ranks = 32, .ranks_per_node = 8};
  EXPECT_NEAR(WireBound({.bytes = Gigabytes(1), .group = group}, peaks).base(), 0.0375, 1e-12);
}

}  // namespace
}  // namespace ridgeline::network

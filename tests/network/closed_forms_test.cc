// The closed forms of collectives, by hand, with NCCL 2.30.7's constants on 8 x H100 a node
// (NVLink 370.8 GB/s, 8 ports of 48 GB/s) unless said otherwise.
#include <gtest/gtest.h>

#include "sim/network/all_to_all.h"
#include "sim/network/collnet.h"
#include "sim/network/custom_all_reduce.h"
#include "sim/network/nvls.h"
#include "sim/network/pat.h"
#include "sim/network/ring.h"
#include "sim/network/tree.h"
#include "sim/network/wire_bound.h"
#include "tests/network/network_clusters.h"

namespace ridgeline::network {
namespace {

using enum CollectiveKind;
using CollectiveProtocol::kLl;
using CollectiveProtocol::kLl128;
using CollectiveProtocol::kSimple;

void ExpectTime(const AffineTime& time, double latency_us, double rate_gb) {
  EXPECT_NEAR(time.latency.base() * 1e6, latency_us, 1e-9);
  EXPECT_NEAR(time.rate.base() / 1e9, rate_gb, 1e-6);
}

const hardware::Cluster kNode = ClusterOf("{nodes: dgx-h100}");
const hardware::Cluster kFour = NearCluster("dgx-h100", 4);
constexpr RankGroup kEight{.ranks = 8, .ranks_per_node = 8};
constexpr RankGroup kFourNodes{.ranks = 32, .ranks_per_node = 8};
constexpr RankGroup kTwoNodes{.ranks = 16, .ranks_per_node = 8};
constexpr RankGroup kOneANode{.ranks = 4, .ranks_per_node = 1};

// 370.8 GB/s hold 6 channels of 60, made 12 of 30; 240 of A100 hold 6 of 40, made 12 of 20.
TEST(ChannelGraphTest, RingsOfANodeAreWhatTheSearchFinds) {
  const ChannelGraph hopper = RingGraph(LinksOf(kNode, kEight));
  EXPECT_EQ(hopper.channels, 12);
  EXPECT_NEAR(hopper.bus().base(), 360e9, 1);
  const ChannelGraph ampere = RingGraph(LinksOf(ClusterOf("{nodes: dgx-a100}"), kEight));
  EXPECT_EQ(ampere.channels, 12);
  EXPECT_NEAR(ampere.bus().base(), 240e9, 1);
}

// Over nodes 8 channels of 45: a ninth does not fit NVLink, and 8 of 48 neither. A100: 8 x 24.
TEST(ChannelGraphTest, OverNodesAChannelFitsAPortAndNvlink) {
  const ChannelGraph hopper = RingGraph(LinksOf(kFour, kFourNodes));
  EXPECT_EQ(hopper.channels, 8);
  EXPECT_NEAR(hopper.bus().base(), 360e9, 1);
  EXPECT_NEAR(RingGraph(LinksOf(ClusterOf("{nodes: dgx-a100, count: 8}"), kFourNodes)).bus().base(),
              192e9, 1);
  // One rank a node has its port alone: 48.
  EXPECT_NEAR(RingGraph(LinksOf(kFour, kOneANode)).bus().base(), 48e9, 1);
}

// LL: 6.6 + 14 x 0.6 us at 141 x 8/14; LL128: 14 + 14 x 1.9 at 0.92 x 360; Simple: 8.4 + 14 x 3.4.
TEST(RingTest, AllReduceOfEightRanksByHand) {
  const GroupLinks links = LinksOf(kNode, kEight);
  const ChannelGraph graph = RingGraph(links);
  ExpectTime(RingTime(kAllReduce, kLl, graph, links), 15.0, 141 * 8.0 / 14);
  ExpectTime(RingTime(kAllReduce, kLl128, graph, links), 40.6, 331.2 * 8.0 / 14);
  ExpectTime(RingTime(kAllReduce, kSimple, graph, links), 56.0, 360 * 8.0 / 14);
}

// 8.4 + 7 x 3.4 us, 7/8 of the buffer.
TEST(RingTest, AllGatherAndReduceScatterAreOneTurn) {
  const GroupLinks links = LinksOf(kNode, kEight);
  const ChannelGraph graph = RingGraph(links);
  ExpectTime(RingTime(kAllGather, kSimple, graph, links), 32.2, 360 * 8.0 / 7);
  ExpectTime(RingTime(kReduceScatter, kSimple, graph, links), 32.2, 360 * 8.0 / 7);
}

// 62 steps, 6 of them between nodes: 8.4 + 56 x 3.4 + 6 x 14 us. LL: the host's 1 us is more than
// NVLink's 0.6: 6.6 + 56 x 1 + 6 x 2.7, at most 20.4 GB/s on Intel.
TEST(RingTest, OverFourNodesByHand) {
  const GroupLinks links = LinksOf(kFour, kFourNodes);
  const ChannelGraph graph = RingGraph(links);
  ExpectTime(RingTime(kAllReduce, kSimple, graph, links), 282.8, 360 * 32.0 / 62);
  ExpectTime(RingTime(kAllReduce, kLl, graph, links), 78.8, 20.4 * 32.0 / 62);
}

// With one rank a node the trees' network latency counts: LL 6.6 + 6 x 5.0 us.
TEST(RingTest, OneRankANodeTakesTheTreesLatency) {
  const GroupLinks links = LinksOf(kFour, kOneANode);
  ExpectTime(RingTime(kAllReduce, kLl, RingGraph(links), links), 36.6, 20.4 * 4.0 / 6);
}

// A network slower than the 2.7 us assumed lengthens a step, twice in Simple: 6 x 2 x 1 us more.
TEST(RingTest, ASlowerNetworkIsPaidTwiceAStepInSimple) {
  const hardware::Cluster far = ClusterOf(
      "{nodes: dgx-h100, count: 4, fabric: {base: rail-optimized-400g, latency: 3.7 us}}");
  const GroupLinks links = LinksOf(far, kFourNodes);
  ExpectTime(RingTime(kAllReduce, kSimple, RingGraph(links), links), 294.8, 360 * 32.0 / 62);
  ExpectTime(RingTime(kAllReduce, kLl, RingGraph(links), links), 84.8, 20.4 * 32.0 / 62);
}

TEST(RingTest, BroadcastIsPipelined) {
  const GroupLinks links = LinksOf(kNode, kEight);
  ExpectTime(RingTime(kBroadcast, kSimple, RingGraph(links), links), 8.4 + 7 * 3.4, 360);
}

// 8.4 + 2 (7 x 4.0 + 2 x 14) us; bus min(0.92 x 360, 8 x 36) = 288, half of it.
// LL: 6.8 + 2 (7 x 0.6 + 2 x 5), min(288 / 3.8, 20.4).
TEST(TreeTest, AllReduceOverFourNodesByHand) {
  const GroupLinks links = LinksOf(kFour, kFourNodes);
  const ChannelGraph graph = RingGraph(links);
  ExpectTime(TreeTime(kSimple, graph, links), 120.4, 144);
  ExpectTime(TreeTime(kLl, graph, links), 35.2, 10.2);
  ExpectTime(TreeTime(kLl128, graph, links), 14 + 2 * (7 * 1.25 + 2 * 8.5), 8 * 29 / 2.0);
}

// One node: S (1 + 1/8) at 0.8322 of 370.8 GB/s: bus bandwidth 480.
TEST(NvlsTest, OneNodeReachesABusBandwidthOf480) {
  const NvlsTime time = NvlsTimeOf(kAllReduce, LinksOf(kNode, kEight));
  ExpectTime(time.chosen_by, 25, 370.8 * 0.8322 / 1.125);
  EXPECT_NEAR(time.chosen_by.rate.base() * 14 / 8 / 1e9, 480, 0.1);
}

// Two nodes: channels of min(48 x 0.85 x 7/8 x 2 = 71.4, 2 x 48, 57.7) = 57.7: bus 461.6.
// Four: min(71.4, 48, 45.5) = 45.5: 364. 25 + 2 x 1 x 20.9 us, 25 + 2 x 2 x 20.9.
TEST(NvlsTest, TreesOverTwoAndFourNodesByHand) {
  ExpectTime(NvlsTreeTimeOf(LinksOf(kFour, kTwoNodes)).time, 66.8, 461.6 * 16 / 30);
  ExpectTime(NvlsTreeTimeOf(LinksOf(kFour, kFourNodes)).time, 108.6, 364 * 32.0 / 62);
}

// With SHARP the sums of nodes meet in the fabric: 25 + 18 us, 8 x min(71.4, 48) = 384.
TEST(NvlsTest, OverNodesTheFabricAdds) {
  ExpectTime(NvlsTimeOf(kAllReduce, LinksOf(kFour, kFourNodes)).time, 43, 384 * 32.0 / 62);
}

// Direct: 2 (3.7 + 7 x 0.4) + 31 us; 8 x 48 x 0.85 / 2. Chain: 2 x 7 x 2.8 + 30 us; 384 / 2.
// Gathers: 8 x min(48, 0.9 x 48).
TEST(CollNetTest, FourNodesByHand) {
  const GroupLinks links = LinksOf(kFour, kFourNodes);
  const ChannelGraph ports = PortGraph(links);
  ExpectTime(CollNetDirectTime(kAllReduce, ports, links), 44.0, 163.2);
  ExpectTime(CollNetDirectTime(kAllGather, ports, links), 44.0, 345.6);
  ExpectTime(CollNetChainTime(ports, links), 69.2, 192);
}

// 8 + 2 x 14/3.5 + 4 x 2.8 us, 0.75 x 48 GB/s.
TEST(PatTest, FourRanksByHand) {
  const GroupLinks links = LinksOf(kFour, kOneANode);
  ExpectTime(PatTime(RingGraph(links), links), 27.2, 36);
}

// One node: 8.4 + 3.4 us, 7/8 of S at 370.8.
TEST(AllToAllTest, OneNodeByHand) {
  ExpectTime(AllToAllTime(kSimple, LinksOf(kNode, kEight)), 11.8, 370.8 * 8 / 7);
}

// 31 exchanges in 4 batches. With PXN each waits 14 us and a step of 3.4 over NVLink: 8.4 + 4
// x 17.4; 24/32 of S leave at 48 GB/s.
TEST(AllToAllTest, WithPxnAStepOfNvlinkIsAdded) {
  ExpectTime(AllToAllTime(kSimple, LinksOf(kFour, kFourNodes)), 78.0, 64);
}

// Without: parts for other rails pass the spines, two hops of 0.5 us: 8.4 + 4 x 15.
TEST(AllToAllTest, WithoutPxnRailsAreCrossedInTheSpines) {
  hardware::Cluster cluster = kFour;
  cluster.network.pxn = false;
  cluster.fabric.hop_latency = Microseconds(0.5);
  ExpectTime(AllToAllTime(kSimple, LinksOf(cluster, kFourNodes)), 68.4, 64);
}

TEST(AllToAllTest, AMessageTakesTheLinkOfItsPair) {
  ExpectTime(SendTime(kSimple, LinksOf(kNode, RankGroup{.ranks = 2, .ranks_per_node = 2})), 11.8,
             370.8);
  ExpectTime(SendTime(kSimple, LinksOf(kFour, RankGroup{.ranks = 2, .ranks_per_node = 1})), 22.4,
             48);
}

// One-shot: 7 S at 0.89 x 370.8; two-shot: 14/8 S at 0.755 x 370.8. They cross where
// 5.5 us + 7 S / 330 = 11.5 us + 1.75 S / 280, at 402 KB.
TEST(CustomAllReduceTest, OneShotIsFasterForLessThan400Kilobytes) {
  const GroupLinks links = LinksOf(kNode, kEight);
  ExpectTime(OneShotTime(links), 5.5, 0.89 * 370.8 / 7);
  ExpectTime(TwoShotTime(links), 11.5, 0.755 * 370.8 / 1.75);
  const auto at = [&](double kilobytes) {
    const Bytes size = Bytes::FromBase(kilobytes * 1e3);
    return OneShotTime(links).At(size) < TwoShotTime(links).At(size);
  };
  EXPECT_TRUE(at(398));
  EXPECT_FALSE(at(406));
}

// The last node may hold fewer: 20 ranks, 8 a node, lie on three.
TEST(GroupShapeTest, NodesRoundUp) {
  EXPECT_EQ(ShapeOf({.ranks = 20, .ranks_per_node = 8}).nodes, 3);
  EXPECT_EQ(ShapeOf({.ranks = 4, .ranks_per_node = 8}).nodes, 1);
}

// All-reduce of 1 GB over 4 nodes of 8, 50 GB/s inside, 5 GB/s a share: a node must pass
// 2 x 3/4 GB through 40 GB/s = 37.5 ms; a rank 2 x 31/32 GB through 55 GB/s = 35.2 ms. Where the
// fabric adds, the node passes 1 GB: 25 ms.
TEST(WireBoundTest, TheSlowerOfRankAndNodeBounds) {
  WirePeaks peaks{.inside = GigabytesPerSecond(50), .across = GigabytesPerSecond(5)};
  const RankGroup group{.ranks = 32, .ranks_per_node = 8};
  EXPECT_NEAR(WireBound({.bytes = Gigabytes(1), .group = group}, peaks).base(), 0.0375, 1e-12);
  peaks.in_fabric_reduction = true;
  EXPECT_NEAR(WireBound({.bytes = Gigabytes(1), .group = group}, peaks).base(), 0.025, 1e-12);
}

}  // namespace
}  // namespace ridgeline::network

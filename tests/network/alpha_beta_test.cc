#include "sim/network/alpha_beta.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/check.h"
#include "sim/network/cluster_links.h"
#include "sim/network/collective_plan.h"
#include "tests/network/network_clusters.h"

namespace ridgeline::network {
namespace {

using hardware::Cluster;

// NCCL's own model: what measurements correct is held elsewhere.
Cluster Resolve(const std::string& text) { return Uncorrected(ClusterOf(text)); }

Seconds AllReduce(const Cluster& cluster, double bytes, int64_t ranks, int64_t per_node) {
  return AlphaBetaCollectives(cluster)
      .CostOf({.kind = CollectiveKind::kAllReduce,
               .bytes = Bytes::FromBase(bytes),
               .group = {.ranks = ranks, .ranks_per_node = per_node}})
      .mean;
}

// NCCL 2.30.7 predicts 15.0 us for 1 KB on 8 x H100 (ring, LL: 6.6 + 14 x 0.6) and 28.0 us for
// 1 MiB (LL at 141 GB/s: 15 + 1.75 x 1,048,576 / 141e9).
TEST(AlphaBetaTest, SmallAllReducesOfOneNodeAreNcclsOwnPrediction) {
  const Cluster cluster = Resolve("{nodes: dgx-h100}");
  EXPECT_NEAR(AllReduce(cluster, 1024, 8, 8).base(), 15.0e-6, 0.02e-6);
  EXPECT_NEAR(AllReduce(cluster, 1048576, 8, 8).base(), 28.0e-6, 0.05e-6);
}

// Large ones reduce in the switches: 25 us + 8.59 GB x 1.125 / (370.8 GB/s x 0.8322).
TEST(AlphaBetaTest, LargeAllReducesOfOneHopperNodeRunInTheSwitches) {
  const Cluster cluster = Resolve("{nodes: dgx-h100}");
  EXPECT_NEAR(AllReduce(cluster, 8.59e9, 8, 8).base(), 25e-6 + 8.59e9 * 1.125 / (370.8e9 * 0.8322),
              1e-9);
}

// A100 has no reduction in its switches: bus bandwidth tends to 12 links x 20 GB/s = 240.
TEST(AlphaBetaTest, LargeAllReducesOfOneAmpereNodeRunOnARing) {
  const double time = AllReduce(Resolve("{nodes: dgx-a100}"), 8.59e9, 8, 8).base();
  EXPECT_NEAR(1.75 * 8.59e9 / time / 1e9, 240, 0.5);
}

// NVLSTree over eight nodes: 8 channels of 45.5 GB/s. A100: rings of 8 ports of 200 Gb/s at 24.
TEST(AlphaBetaTest, OverNodesThePortsSetTheBandwidth) {
  const Cluster hopper = Resolve("{nodes: dgx-h100, count: 8}");
  EXPECT_NEAR(2 * 63.0 / 64 * 1e12 / AllReduce(hopper, 1e12, 64, 8).base() / 1e9, 364, 0.5);
  const Cluster ampere = Resolve("{nodes: dgx-a100, count: 8}");
  EXPECT_NEAR(2 * 63.0 / 64 * 1e12 / AllReduce(ampere, 1e12, 64, 8).base() / 1e9, 192, 0.5);
}

// Four ports for eight GPUs: half a port each, 6 of 12 GB/s.
TEST(AlphaBetaTest, GpusThatShareAPortShareItsBandwidth) {
  const Cluster bloom = Resolve("bloom-384");
  EXPECT_NEAR(AcrossPort(bloom).mean.base(), 6e9, 1);
}

// Leaves of five nodes, 2:1: a group over six gets half of 8 x 48 GB/s at a node's border, one over
// five all of it; a group on every second node reaches beyond the leaf with three. The plan is of a
// group alone and knows nothing of it.
TEST(AlphaBetaTest, OversubscriptionDividesTheBandwidthOfGroupsBeyondALeaf) {
  const Cluster cluster =
      Resolve("{nodes: dgx-h100, count: 64, fabric: fat-tree-oversubscribed-2to1-400g}");
  const AlphaBetaCollectives collectives(cluster);
  const auto bus = [&](double nodes, int64_t stride) {
    const double n = 8 * nodes;
    const Collective collective{
        .bytes = Gigabytes(1000),
        .group = {.ranks = static_cast<int64_t>(n), .ranks_per_node = 8, .node_stride = stride},
        .algorithm = CollectiveAlgorithm::kRing};
    EXPECT_NEAR(2 * (n - 1) / n * 1e12 / PlanOf(collective, cluster).wire.base() / 1e9, 360, 0.5);
    return 2 * (n - 1) / n * 1e12 / collectives.CostOf(collective).mean.base() / 1e9;
  };
  EXPECT_NEAR(bus(5, 1), 360, 0.5);
  EXPECT_NEAR(bus(6, 1), 192, 0.5);
  EXPECT_NEAR(bus(3, 2), 192, 0.5);
}

TEST(AlphaBetaTest, ASlowerCardThanTheFabricSetsThePace) {
  const Cluster cluster = Resolve("{nodes: dgx-a100, count: 2, fabric: rail-optimized-400g}");
  EXPECT_NEAR(AcrossPort(cluster).peak.base(), 25e9, 1);
}

TEST(AlphaBetaTest, ASlowerNetworkLengthensSmallCollectives) {
  const Cluster near = Resolve("{nodes: dgx-h100, count: 8}");
  const Cluster far =
      Resolve("{nodes: dgx-h100, count: 8, fabric: {base: rail-optimized-400g, latency: 50 us}}");
  EXPECT_GT(AllReduce(far, 1024, 64, 8), AllReduce(near, 1024, 64, 8) + Microseconds(100));
}

TEST(AlphaBetaTest, ABridgeJoinsTwoAndMoreGoOverPcie) {
  const Cluster cluster = Resolve("{nodes: h100-nvl-x8}");
  EXPECT_TRUE(InsidePort(cluster, 2).is_nvlink);
  EXPECT_FALSE(InsidePort(cluster, 4).is_nvlink);
}

TEST(AlphaBetaTest, AGroupOverNodesOnOneNodeIsABug) {
  const AlphaBetaCollectives collectives(Resolve("{nodes: dgx-h100}"));
  EXPECT_THROW(
      collectives.CostOf({.bytes = Gigabytes(1), .group = {.ranks = 2, .ranks_per_node = 1}}),
      InternalError);
}

TEST(AlphaBetaTest, OneRankOrNoBytesTakeNoTime) {
  const AlphaBetaCollectives collectives(Resolve("{nodes: dgx-h100}"));
  EXPECT_EQ(collectives.CostOf({.bytes = Gigabytes(1), .group = {}}).high, Seconds{});
  EXPECT_EQ(collectives.CostOf({.bytes = {}, .group = {.ranks = 8, .ranks_per_node = 8}}).high,
            Seconds{});
}

TEST(AlphaBetaTest, EveryRateInUseHasASource) {
  for (const char* text : {"{nodes: dgx-h100, count: 4}", "{nodes: h100-nvl-x8, count: 2}",
                           "{nodes: rtx-4090-x8}", "bloom-384"}) {
    for (const auto& rate : AlphaBetaCollectives(Resolve(text)).RatesFor({.gpus = 32})) {
      EXPECT_NE(rate.source, "") << rate.what;
      EXPECT_NE(rate.source, "not stated") << rate.what;
      EXPECT_LE(rate.of_peak, 1) << rate.what;
    }
  }
}

TEST(AlphaBetaTest, ARunReadsOnlyTheLinksThatItUses) {
  const AlphaBetaCollectives collectives(Resolve("{nodes: dgx-h100, count: 4}"));
  EXPECT_TRUE(collectives.RatesFor({.gpus = 1}).empty());
  for (const auto& rate : collectives.RatesFor({.gpus = 8})) {
    EXPECT_EQ(rate.what.find("share of rail"), std::string::npos) << rate.what;
  }
}

}  // namespace
}  // namespace ridgeline::network

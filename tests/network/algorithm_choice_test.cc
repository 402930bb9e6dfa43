// Which algorithm and protocol NCCL takes, and when: its own model, uncorrected.
#include "sim/network/algorithm_choice.h"

#include <array>

#include <gtest/gtest.h>

#include "sim/network/collective_plan.h"
#include "tests/network/network_clusters.h"

namespace ridgeline::network {
namespace {

using enum CollectiveAlgorithm;
using CollectiveProtocol::kLl;
using CollectiveProtocol::kLl128;
using CollectiveProtocol::kSimple;

constexpr double kMebi = 1048576;

/// What is believed of the one that is believed fastest.
struct Pick {
  CollectiveAlgorithm algorithm;
  CollectiveProtocol protocol;
  double microseconds;
};
Pick PickOf(const hardware::Cluster& cluster, CollectiveKind kind, double bytes, int64_t ranks,
            int64_t per_node, DType dtype = DType::kBf16) {
  const Collective collective{.kind = kind,
                              .bytes = Bytes::FromBase(bytes),
                              .group = {.ranks = ranks, .ranks_per_node = per_node},
                              .dtype = dtype};
  const Candidates found = CandidatesOf(collective, LinksOf(cluster, collective.group));
  const Candidate& chosen = ChosenOf(found.view(), collective.bytes);
  return {chosen.algorithm, chosen.protocol, chosen.Believed(collective.bytes).base() * 1e6};
}

Pick AllReduce(const hardware::Cluster& cluster, double bytes, int64_t ranks, int64_t per_node) {
  return PickOf(cluster, CollectiveKind::kAllReduce, bytes, ranks, per_node);
}

// NCCL 2.30.7 on 8 x H100, size by size; measured by Azure/AI-benchmarking-guide: 25.6 us at 1 KB,
// 42 at 1 MB, 125 at 16 MB, 31,391 at 8 GB.
TEST(AlgorithmChoiceTest, AllReduceOfEightH100IsNcclsOwnTable) {
  const hardware::Cluster cluster = ClusterOf("{nodes: dgx-h100}");
  struct Row {
    double bytes;
    CollectiveAlgorithm algorithm;
    CollectiveProtocol protocol;
    double microseconds;
    double within;
  };
  constexpr std::array<Row, 10> kRows = {{{1024, kRing, kLl, 15.0, 0.05},
                                          {65536, kRing, kLl, 15.8, 0.05},
                                          {kMebi, kRing, kLl, 28.0, 0.05},
                                          {2 * kMebi, kNvls, kSimple, 32.6, 0.1},
                                          {4 * kMebi, kNvls, kSimple, 40.3, 0.1},
                                          {16 * kMebi, kNvls, kSimple, 86.2, 0.1},
                                          {64 * kMebi, kNvls, kSimple, 269.7, 0.1},
                                          {256 * kMebi, kNvls, kSimple, 1003.7, 0.3},
                                          {1024 * kMebi, kNvls, kSimple, 3939.7, 1},
                                          {8192 * kMebi, kNvls, kSimple, 31342, 5}}};
  for (const Row& row : kRows) {
    const Pick pick = AllReduce(cluster, row.bytes, 8, 8);
    EXPECT_EQ(pick.algorithm, row.algorithm) << row.bytes;
    EXPECT_EQ(pick.protocol, row.protocol) << row.bytes;
    EXPECT_NEAR(pick.microseconds, row.microseconds, row.within) << row.bytes;
  }
}

// 15.0 us + S / 80.57 = 25 us + S / 274.3.
TEST(AlgorithmChoiceTest, EightH100TurnFromRingsToSwitchesAt1140Kilobytes) {
  const hardware::Cluster cluster = ClusterOf("{nodes: dgx-h100}");
  EXPECT_EQ(AllReduce(cluster, 1.139e6, 8, 8).algorithm, kRing);
  EXPECT_EQ(AllReduce(cluster, 1.143e6, 8, 8).algorithm, kNvls);
}

TEST(AlgorithmChoiceTest, LargeAllReducesTendToTheBusBandwidthOfTheirGraph) {
  const auto bus = [](const hardware::Cluster& cluster, double ranks, int64_t per_node) {
    const Pick pick = AllReduce(cluster, 8 * 1024 * kMebi, static_cast<int64_t>(ranks), per_node);
    return 2 * (ranks - 1) / ranks * 8 * 1024 * kMebi / pick.microseconds / 1e3;
  };
  EXPECT_NEAR(bus(ClusterOf("{nodes: dgx-h100}"), 8, 8), 479.6, 0.1);
  EXPECT_NEAR(bus(ClusterOf("{nodes: dgx-a100}"), 8, 8), 240, 0.5);
  EXPECT_NEAR(bus(ClusterOf("{nodes: dgx-h100, count: 2}"), 16, 8), 461, 1);
  EXPECT_NEAR(bus(ClusterOf("{nodes: dgx-h100, count: 8}"), 64, 8), 363.5, 1);
  EXPECT_NEAR(bus(ClusterOf("{nodes: dgx-a100, count: 4}"), 32, 8), 191.5, 1);
}

// stas00/ml-engineering and nccl issue 1455: rings up to 4 GPUs of Hopper, 5 of Blackwell.
TEST(AlgorithmChoiceTest, SwitchesAddFromFiveHopperAndSixBlackwell) {
  const hardware::Cluster hopper = ClusterOf("{nodes: dgx-h100}");
  EXPECT_EQ(AllReduce(hopper, 1e9, 4, 4).algorithm, kRing);
  EXPECT_EQ(AllReduce(hopper, 1e9, 5, 5).algorithm, kNvls);
  const hardware::Cluster blackwell = ClusterOf("{nodes: dgx-b200}");
  EXPECT_EQ(AllReduce(blackwell, 1e9, 5, 5).algorithm, kRing);
  EXPECT_EQ(AllReduce(blackwell, 1e9, 6, 6).algorithm, kNvls);
  EXPECT_EQ(AllReduce(ClusterOf("{nodes: dgx-a100}"), 1e9, 8, 8).algorithm, kRing);
}

TEST(AlgorithmChoiceTest, SwitchesAddNoSingleBytes) {
  const hardware::Cluster cluster = ClusterOf("{nodes: dgx-h100}");
  EXPECT_EQ(PickOf(cluster, CollectiveKind::kAllReduce, 1e9, 8, 8, DType::kInt8).algorithm, kRing);
}

// 64 H100 over 8 nodes: a tree in LL for little, then NVLSTree.
TEST(AlgorithmChoiceTest, OverNodesTreesForLittleAndSwitchesForMuch) {
  const hardware::Cluster cluster = ClusterOf("{nodes: dgx-h100, count: 8}");
  const Pick small = AllReduce(cluster, 8192, 64, 8);
  EXPECT_EQ(small.algorithm, kTree);
  EXPECT_EQ(small.protocol, kLl);
  EXPECT_EQ(AllReduce(cluster, 1e9, 64, 8).algorithm, kNvlsTree);
}

TEST(AlgorithmChoiceTest, AFabricThatAddsIsUsed) {
  hardware::Cluster cluster = ClusterOf("{nodes: dgx-h100, count: 8}");
  cluster.network.sharp = true;
  EXPECT_EQ(AllReduce(cluster, 1e9, 64, 8).algorithm, kNvls);
}

// One rank a node: aggregated trees where rings have too many steps.
TEST(AlgorithmChoiceTest, GathersOfOneRankANodeTakeAggregatedTrees) {
  const hardware::Cluster cluster = ClusterOf("{nodes: dgx-h100, count: 32}");
  EXPECT_EQ(PickOf(cluster, CollectiveKind::kAllGather, 4 * kMebi, 32, 1).algorithm, kPat);
  EXPECT_EQ(PickOf(cluster, CollectiveKind::kAllGather, 1e9, 32, 1).algorithm, kRing);
  EXPECT_EQ(PickOf(cluster, CollectiveKind::kAllGather, 4 * kMebi, 256, 8).algorithm, kRing);
}

TEST(AlgorithmChoiceTest, WithoutNvlinkThereIsNoLl128) {
  const hardware::Cluster cluster = ClusterOf("{nodes: l40s-x8}");
  for (double bytes = 64; bytes < 1e10; bytes *= 2) {
    EXPECT_NE(AllReduce(cluster, bytes, 8, 8).protocol, kLl128) << bytes;
  }
}

// 2.21 takes 28 us for every step of a Simple tree, has no PAT and gathers on rings only.
TEST(AlgorithmChoiceTest, OlderVersionsChooseOtherwise) {
  const std::string nodes = "{nodes: dgx-h100, count: 32}";
  const hardware::Cluster before = ClusterOf(nodes, "nccl-2.21");
  EXPECT_EQ(PickOf(before, CollectiveKind::kAllGather, 4 * kMebi, 32, 1).algorithm, kRing);
  const auto tree = [](const hardware::Cluster& cluster) {
    const Collective collective{.bytes = Gigabytes(1),
                                .group = {.ranks = 256, .ranks_per_node = 8},
                                .algorithm = kTree,
                                .protocol = kSimple};
    return CandidatesOf(collective, LinksOf(cluster, collective.group))
               .all[0]
               .modelled.latency.base() *
           1e6;
  };
  // 2 (7 x 28 + 5 x (28 + 2 x 0.1)); 8.4 + 2 (7 x 4 + 5 x 14.2).
  EXPECT_NEAR(tree(before), 674, 0.01);
  EXPECT_NEAR(tree(ClusterOf(nodes)), 206.4, 0.01);
  // Rings cross nodes once more: 2 x 14.2 - 2 x 3.4 us at 256 ranks.
  const auto ring = [](const hardware::Cluster& cluster) {
    const Collective collective{.bytes = Gigabytes(1),
                                .group = {.ranks = 256, .ranks_per_node = 8},
                                .algorithm = kRing,
                                .protocol = kSimple};
    return CandidatesOf(collective, LinksOf(cluster, collective.group))
               .all[0]
               .modelled.latency.base() *
           1e6;
  };
  EXPECT_NEAR(ring(before) - ring(ClusterOf(nodes)), 21.6, 0.01);
}

// Ring LL: 8 bytes x 512 threads x 8 ranks a block, 32 KiB; Simple: 64 x 512, 32 KiB a
// block.
TEST(AlgorithmChoiceTest, SmallCollectivesRunFewerThreadBlocks) {
  const hardware::Cluster cluster = ClusterOf("{nodes: dgx-h100}");
  const auto channels = [&](double bytes, CollectiveAlgorithm algorithm,
                            CollectiveProtocol protocol) {
    return PlanOf({.bytes = Bytes::FromBase(bytes),
                   .group = {.ranks = 8, .ranks_per_node = 8},
                   .algorithm = algorithm,
                   .protocol = protocol},
                  cluster)
        .channels;
  };
  EXPECT_EQ(channels(1024, kRing, kLl), 1);
  EXPECT_EQ(channels(4 * 32768, kRing, kLl), 4);
  EXPECT_EQ(channels(kMebi, kRing, kSimple), 24);
  EXPECT_EQ(channels(3 * 32768, kRing, kSimple), 3);
  EXPECT_EQ(channels(2 * kMebi, kNvls, kSimple), 16);
}

// Of Simple trees at 512 KiB NCCL believes half of the bandwidth, at 64 MB 0.8 or 0.9 of it.
TEST(AlgorithmChoiceTest, TreesAreCorrectedBySize) {
  const Collective collective{.bytes = Bytes::FromBase(524288),
                              .group = {.ranks = 32, .ranks_per_node = 8},
                              .algorithm = kTree,
                              .protocol = kSimple};
  const hardware::Cluster cluster = NearCluster("dgx-h100", 4);
  const Candidates found = CandidatesOf(collective, LinksOf(cluster, collective.group));
  ASSERT_EQ(found.count, 1);
  // log2(524288 / 64) = 13: 0.5.
  EXPECT_NEAR(found.all[0].Believed(collective.bytes).base() * 1e6, 120.4 + 524288 / (144e3 * 0.5),
              1e-6);
  // From 512 MB on the table is not used.
  EXPECT_NEAR(found.all[0].Believed(Bytes::FromBase(512 * kMebi)).base() * 1e6,
              120.4 + 512 * kMebi / 144e3, 1e-3);
}

// Large Simple rings over nodes wait 1.4 times as long, from 64 bytes a rank and channel on.
TEST(AlgorithmChoiceTest, LargeRingsOverNodesReachAPlateau) {
  const Collective collective{.bytes = Bytes::FromBase(1),
                              .group = {.ranks = 32, .ranks_per_node = 8},
                              .algorithm = kRing,
                              .protocol = kSimple};
  const hardware::Cluster cluster = NearCluster("dgx-h100", 4);
  const Candidates found = CandidatesOf(collective, LinksOf(cluster, collective.group));
  const double from = 64.0 * 16 * 32;
  const auto latency = [&](double bytes) {
    return found.all[0].Believed(Bytes::FromBase(bytes)).base() * 1e6 - bytes / (360e3 * 32.0 / 62);
  };
  EXPECT_NEAR(latency(from - 1), 282.8, 1e-6);
  EXPECT_NEAR(latency(from), 282.8 * 1.4, 1e-6);
}

}  // namespace
}  // namespace ridgeline::network

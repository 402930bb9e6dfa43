// Plans: what a collective is done by, what it may be told to be done by, and how its time splits.
#include "sim/network/collective_plan.h"

#include <gtest/gtest.h>

#include "base/check.h"
#include "tests/network/network_clusters.h"

namespace ridgeline::network {
namespace {

using enum CollectiveAlgorithm;
using CollectiveProtocol::kLl;
using CollectiveProtocol::kLl128;
using CollectiveProtocol::kSimple;

Collective AllReduce(int64_t ranks, int64_t per_node, CollectiveAlgorithm algorithm,
                     CollectiveProtocol protocol = CollectiveProtocol::kChosen) {
  return {.bytes = Gigabytes(1),
          .group = {.ranks = ranks, .ranks_per_node = per_node},
          .algorithm = algorithm,
          .protocol = protocol};
}

std::string Refused(const Collective& collective, const hardware::Cluster& cluster) {
  const Status status = CheckPlan(collective, cluster);
  return status ? "" : status.error().message;
}

TEST(CollectivePlanTest, OneRankOrNoBytesTakeNoTime) {
  const hardware::Cluster cluster = ClusterOf("{nodes: dgx-h100}");
  EXPECT_EQ(PlanOf({.bytes = Gigabytes(1), .group = {}}, cluster).time(), Seconds{});
  EXPECT_EQ(PlanOf({.bytes = {}, .group = {.ranks = 8, .ranks_per_node = 8}}, cluster).time(),
            Seconds{});
}

TEST(CollectivePlanTest, WhatIsNamedIsDone) {
  const hardware::Cluster cluster = ClusterOf("{nodes: dgx-h100}");
  const CollectivePlan plan = PlanOf(AllReduce(8, 8, kRing, kLl), cluster);
  EXPECT_EQ(plan.algorithm, kRing);
  EXPECT_EQ(plan.protocol, kLl);
  // An algorithm alone leaves the protocol to the library: Simple for a gigabyte.
  EXPECT_EQ(PlanOf(AllReduce(8, 8, kTree), cluster).protocol, kSimple);
}

TEST(CollectivePlanTest, WhatCannotBeHadIsRefusedWithItsReason) {
  const hardware::Cluster node = ClusterOf("{nodes: dgx-h100}");
  const hardware::Cluster nodes = ClusterOf("{nodes: dgx-h100, count: 4}");
  EXPECT_EQ(Refused(AllReduce(8, 8, kNvls), node), "");
  EXPECT_EQ(Refused(AllReduce(8, 8, kNvlsTree), node),
            "nvls-tree over 8 ranks, 8 a node, needs more than one node");
  EXPECT_EQ(Refused(AllReduce(8, 8, kNvls), ClusterOf("{nodes: dgx-a100}")),
            "nvls over 8 ranks, 8 a node, needs switches of NVLink that add, and two ranks of a "
            "node");
  EXPECT_EQ(Refused(AllReduce(32, 8, kNvls), nodes),
            "nvls over 32 ranks, 8 a node, needs a fabric whose switches add, over nodes");
  EXPECT_EQ(Refused(AllReduce(32, 8, kCollNetDirect), nodes),
            "collnet-direct over 32 ranks, 8 a node, needs a fabric whose switches add");
  EXPECT_EQ(CheckPlan(AllReduce(32, 8, kCollNetDirect), nodes).error().hint,
            "network: {sharp: true} says that the fabric's switches add");
  EXPECT_EQ(Refused(AllReduce(8, 8, kPat), node), "nccl-2.30.7 has no all_reduce by pat");
  EXPECT_EQ(Refused(AllReduce(8, 8, kNvls, kLl), node), "nvls has no protocol ll");
  EXPECT_EQ(Refused(AllReduce(8, 8, kRing, kLl128), ClusterOf("{nodes: l40s-x8}")),
            "ring has no protocol ll128 without NVLink");
  EXPECT_EQ(Refused(AllReduce(16, 8, kOneShot), nodes),
            "one-shot over 16 ranks, 8 a node, needs one node, with at most as many ranks as it "
            "is written for");
  EXPECT_EQ(Refused({.kind = CollectiveKind::kAllGather,
                     .bytes = Gigabytes(1),
                     .group = {.ranks = 4, .ranks_per_node = 1},
                     .algorithm = kPat},
                    ClusterOf("{nodes: dgx-h100, count: 4}", "nccl-2.21")),
            "nccl-2.21 has no algorithm pat");
  EXPECT_EQ(Refused({.kind = CollectiveKind::kAllToAll,
                     .bytes = Gigabytes(1),
                     .group = {.ranks = 8, .ranks_per_node = 8},
                     .protocol = kLl128},
                    node),
            "no algorithm does all_to_all in protocol ll128 here");
}

TEST(CollectivePlanTest, AGroupOverNodesOnOneNodeIsABug) {
  const hardware::Cluster node = ClusterOf("{nodes: dgx-h100}");
  EXPECT_THROW(PlanOf(AllReduce(2, 1, kChosen), node), InternalError);
  EXPECT_THROW(static_cast<void>(CheckPlan(AllReduce(2, 1, kChosen), node)), InternalError);
}

// The levels follow one another: a reduce-scatter and an all-gather of 1 GB in the node, an
// all-reduce of an eighth between nodes.
TEST(CollectivePlanTest, AHierarchyIsTheSumOfItsLevels) {
  const hardware::Cluster cluster = ClusterOf("{nodes: dgx-h100, count: 4}");
  const CollectivePlan plan = PlanOf(AllReduce(32, 8, kHierarchical), cluster);
  const auto level = [&](CollectiveKind kind, double gigabytes, int64_t ranks, int64_t per_node) {
    return PlanOf({.kind = kind,
                   .bytes = Gigabytes(gigabytes),
                   .group = {.ranks = ranks, .ranks_per_node = per_node}},
                  cluster)
        .time();
  };
  const Seconds sum = level(CollectiveKind::kReduceScatter, 1, 8, 8) +
                      level(CollectiveKind::kAllReduce, 0.125, 4, 1) +
                      level(CollectiveKind::kAllGather, 1, 8, 8);
  EXPECT_NEAR(plan.time().base(), sum.base(), 1e-12);
  EXPECT_EQ(plan.algorithm, kHierarchical);
}

// Frameworks and engines bring these along: the library takes them only where they are named.
TEST(CollectivePlanTest, HierarchiesAndEnginesOwnAreNotChosen) {
  const hardware::Cluster node = ClusterOf("{nodes: dgx-h100}");
  Collective small = AllReduce(8, 8, kChosen);
  small.bytes = Bytes::FromBase(16384);
  EXPECT_EQ(PlanOf(small, node).algorithm, kRing);
  small.algorithm = kOneShot;
  const Seconds one_shot = PlanOf(small, node).time();
  small.algorithm = kChosen;
  EXPECT_LT(one_shot, PlanOf(small, node).time());
}

// Where the model turns to something that was measured or corrected to be faster, time stays level.
TEST(CollectivePlanTest, MoreBytesNeverTakeLessAcrossChoices) {
  for (const char* text : {"{nodes: dgx-h100}", "{nodes: dgx-a100, count: 16}",
                           "{nodes: dgx-b200, count: 64}", "{nodes: l40s-x8, count: 4}"}) {
    const hardware::Cluster cluster = ClusterOf(text);
    Collective collective = AllReduce(8 * cluster.nodes, 8, kChosen);
    Seconds last;
    for (double bytes = 1; bytes < 2e9; bytes *= 1.07) {
      collective.bytes = Bytes::FromBase(bytes);
      const Seconds time = PlanOf(collective, cluster).time();
      EXPECT_LE(last, time * (1 + 1e-12)) << text << " " << bytes;
      last = time;
    }
  }
}

}  // namespace
}  // namespace ridgeline::network

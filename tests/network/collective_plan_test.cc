// Plans: what a collective is done by, what it may be told to be done by, and how its time splits.
#include "sim/network/collective_plan.h"

#include <gtest/gtest.h>

#include "base/check.h"
#include "hardware/collective_library.h"
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

Evidence EvidenceAt(const std::string& cluster, Collective collective) {
  return PlanOf(collective, ClusterOf(cluster)).evidence;
}

Collective Sum(int64_t ranks, double bytes) {
  return {.bytes = Bytes::FromBase(bytes), .group = {.ranks = ranks, .ranks_per_node = 8}};
}

// Factors were fitted to 512 B to 512 MiB among two to eight of A100, H100 and H200.
TEST(CollectivePlanTest, AnswersWithinWhatWasMeasuredAreInterpolated) {
  for (const char* node : {"{nodes: dgx-h100}", "{nodes: dgx-h200}", "{nodes: dgx-a100}"}) {
    for (const double bytes : {512.0, 1e6, 512.0 * 1024 * 1024}) {
      EXPECT_EQ(EvidenceAt(node, Sum(8, bytes)), Evidence::kInterpolated) << node << bytes;
      EXPECT_EQ(EvidenceAt(node, Sum(3, bytes)), Evidence::kInterpolated) << node << bytes;
    }
    Collective all_to_all = Sum(8, 1e6);
    all_to_all.kind = CollectiveKind::kAllToAll;
    EXPECT_EQ(EvidenceAt(node, all_to_all), Evidence::kInterpolated) << node;
  }
}

TEST(CollectivePlanTest, AnswersBeyondWhatWasMeasuredAreExtrapolated) {
  const std::string node = "{nodes: dgx-h100}";
  EXPECT_EQ(EvidenceAt(node, Sum(8, 511)), Evidence::kExtrapolated);
  EXPECT_EQ(EvidenceAt(node, Sum(8, 1e9)), Evidence::kExtrapolated);
  Collective other = Sum(8, 1e6);
  other.kind = CollectiveKind::kBroadcast;
  EXPECT_EQ(EvidenceAt(node, other), Evidence::kExtrapolated);
  other = Sum(8, 1e6);
  other.algorithm = kRing;  // where NCCL takes NVLS or a ring as it likes
  EXPECT_EQ(EvidenceAt(node, other), Evidence::kExtrapolated);
  other.group.ranks = other.group.ranks_per_node = 16;
  other.algorithm = kChosen;
  EXPECT_EQ(EvidenceAt("{nodes: {base: dgx-h100, gpus: 16}}", other), Evidence::kExtrapolated);
  // Other GPUs of the generation at whose speed the factors are stated, and changed ones.
  EXPECT_EQ(EvidenceAt("{nodes: {base: dgx-h100, gpu: h800-sxm}}", Sum(8, 1e6)),
            Evidence::kExtrapolated);
  EXPECT_EQ(
      EvidenceAt("{nodes: {base: dgx-h100, gpu: {nvlink: {bandwidth: 300 GB/s}}}}", Sum(8, 1e6)),
      Evidence::kExtrapolated);
}

TEST(CollectivePlanTest, AnswersWithoutAMeasurementBehindThemAreAnalytic) {
  EXPECT_EQ(EvidenceAt("{nodes: dgx-b200}", Sum(8, 1e6)), Evidence::kAnalytic);
  Collective tree = Sum(8, 1e6);
  tree.algorithm = kTree;  // inside a node nobody measured it
  EXPECT_EQ(EvidenceAt("{nodes: dgx-h100}", tree), Evidence::kAnalytic);
}

// Published rows are of H100 with a port of 400 Gb/s each, all-reduces and ring gathers.
TEST(CollectivePlanTest, OverNodesPublishedKindsAreExtrapolatedAndOthersAnalytic) {
  const std::string nodes = "{nodes: dgx-h100, count: 4}";
  EXPECT_EQ(EvidenceAt(nodes, Sum(32, 1e3)), Evidence::kExtrapolated);
  EXPECT_EQ(EvidenceAt(nodes, Sum(32, 1e9)), Evidence::kExtrapolated);
  EXPECT_EQ(EvidenceAt(nodes, AllReduce(32, 8, kHierarchical)), Evidence::kExtrapolated);
  Collective all_to_all = Sum(32, 1e6);
  all_to_all.kind = CollectiveKind::kAllToAll;
  EXPECT_EQ(EvidenceAt(nodes, all_to_all), Evidence::kAnalytic);
  EXPECT_EQ(EvidenceAt("{nodes: dgx-a100, count: 4}", Sum(32, 1e9)), Evidence::kAnalytic);
  EXPECT_EQ(
      EvidenceAt("{nodes: {base: dgx-h100, nics: {bandwidth: 200 Gb/s}}, count: 4}", Sum(32, 1e9)),
      Evidence::kAnalytic);
}

// While channels are added bytes cost nothing: 512 B and 8 KiB take as long. The links carry them
// nevertheless: as long as LL's ceiling says, (7/4 + 1/8) 8192 B / (rate x 141 GB/s), in place of
// latency.
TEST(CollectivePlanTest, WhatTheLinksTakeIsTheWiresEvenWhereItCostsNothing) {
  const hardware::Cluster node = ClusterOf("{nodes: dgx-h100}");
  const CollectivePlan plan = PlanOf(Sum(8, 8192), node);
  EXPECT_EQ(plan.protocol, kLl);
  const double rate = node.collectives->corrections.one_node.ring.ll->rate;
  EXPECT_NEAR(plan.wire.base(), (7.0 / 4 + 1.0 / 8) * 8192 / (rate * 141e9), 1e-12);
  EXPECT_NEAR(plan.time().base(), PlanOf(Sum(8, 512), node).time().base(), 1e-12);
}

// g = sqrt(S / 16 MiB): 1 from 16 MiB, 1/16 at 64 KiB. Latencies over nodes keep 1 + growth g.
TEST(CollectivePlanTest, HopsOfTreesOverNodesGrowWithTheBufferUpTo16Mebibytes) {
  const hardware::Cluster nodes = ClusterOf("{nodes: dgx-h100, count: 4}");
  const auto latency = [&](double bytes) {
    Collective collective = Sum(32, bytes);
    collective.algorithm = kNvlsTree;
    return PlanOf(collective, nodes).latency.base();
  };
  const double growth = nodes.collectives->corrections.nodes.nvls_tree.simple->growth;
  const double full = latency(16.0 * 1024 * 1024);
  EXPECT_NEAR(full / latency(64 * 1024), (1 + growth) / (1 + growth / 16), 1e-9);
  EXPECT_EQ(latency(1e9), full);
}

}  // namespace
}  // namespace ridgeline::network

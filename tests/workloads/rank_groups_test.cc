#include "workloads/rank_groups.h"

#include <gtest/gtest.h>

namespace ridgeline::workloads {
namespace {

using enum RankAxis;

// 2 x 2 x 4 ranks on nodes of 8, stages inside: a rank's partner is two away, its dp neighbours are
// four apart at 0, 4, 8 and 12.
TEST(RankOrderTest, PipelinesInsideANodeReduceOverNodes) {
  const Layout layout{.tp = 2, .pp = 2, .dp = 4, .order = {kTensor, kPipeline, kContext, kData}};
  EXPECT_EQ(BoundaryGroup(layout, 0), (RankGroup{2, 2}));
  EXPECT_EQ(GroupOf(layout, Axis::kPipeline), (RankGroup{2, 2}));
  EXPECT_EQ(GroupOf(layout, Axis::kData), (RankGroup{4, 2}));
  // In the order of old, stages of a node each.
  const Layout plain{.tp = 2, .pp = 2, .dp = 4};
  EXPECT_EQ(BoundaryGroup(plain, 0), (RankGroup{2, 1}));
  EXPECT_EQ(GroupOf(plain, Axis::kData), (RankGroup{4, 4}));
}

// Replicas first: eight of them fill a node, tp goes over two.
TEST(RankOrderTest, ReplicasMayBeNeighbours) {
  const Layout layout{.tp = 2, .pp = 2, .dp = 8, .order = {kData, kTensor, kContext, kPipeline}};
  EXPECT_EQ(GroupOf(layout, Axis::kData), (RankGroup{8, 8}));
  EXPECT_EQ(GroupOf(layout, Axis::kTensor), (RankGroup{2, 1}));
  EXPECT_EQ(GroupOf(layout, Axis::kPipeline), (RankGroup{2, 1, 2}));
}

// dp 3, tp 4, cp 2: replicas of tp rank 0 are 0, 1, 2 and 12, 13, 14. Of their pairs 2 and 12 are
// neighbours, on two nodes, though a pair is smaller than dp.
TEST(RankOrderTest, AGroupGoesOnInTheNextAxis) {
  const Layout layout{
      .tp = 4, .cp = 2, .ep = 2, .dp = 3, .order = {kData, kTensor, kContext, kPipeline}};
  EXPECT_EQ(GroupOf(layout, Axis::kExpert), (RankGroup{2, 1}));
}

// cp 2, tp 4, dp 4, in this order: gradients are reduced over 0, 1, 8, 9, 16, 17, 24 and 25, two on
// each of four nodes. With pp 2 before dp the pairs lie two nodes apart.
TEST(RankOrderTest, GroupsWhoseAxesAreApartAreCounted) {
  Layout layout{.tp = 4, .cp = 2, .dp = 4, .order = {kContext, kTensor, kData, kPipeline}};
  EXPECT_EQ(GroupOf(layout, Axis::kData), (RankGroup{8, 2}));
  layout.pp = 2;
  layout.order = {kContext, kTensor, kPipeline, kData};
  EXPECT_EQ(GroupOf(layout, Axis::kData), (RankGroup{8, 2, 2}));
}

// 16 ranks of tp 4 and dp 4: experts over eight neighbours, whole, and twice; or over four pairs.
TEST(ExpertFoldingTest, ExpertsTakeRanksOfTensorParallelism) {
  Layout layout{.tp = 4, .ep = 8, .dp = 4, .etp = 1};
  EXPECT_EQ(GroupOf(layout, Axis::kExpertTensor).ranks, 1);
  EXPECT_EQ(GroupOf(layout, Axis::kExpert), (RankGroup{8, 8}));
  EXPECT_EQ(GroupOf(layout, Axis::kExpertData), (RankGroup{2, 1}));
  layout.ep = 4;
  layout.etp = 2;
  EXPECT_EQ(GroupOf(layout, Axis::kExpertTensor), (RankGroup{2, 2}));
  EXPECT_EQ(GroupOf(layout, Axis::kExpert), (RankGroup{4, 4}));
  EXPECT_EQ(GroupOf(layout, Axis::kExpertData), (RankGroup{2, 1}));
  // tp of their own that is everyone's: as without.
  layout.ep = 4;
  layout.etp = 4;
  EXPECT_EQ(GroupOf(layout, Axis::kExpert), (RankGroup{4, 2}));
}

// 32 replicas, states in each node of 8: four replicas of every part, a node apart. Experts over 4
// of the 8: their states lie twice in a node.
TEST(HybridShardingTest, StatesInsideANodeReplicasOverNodes) {
  const Layout layout{.ep = 4, .dp = 32, .shard = 8};
  EXPECT_EQ(GroupOf(layout, Axis::kShard), (RankGroup{8, 8}));
  EXPECT_EQ(GroupOf(layout, Axis::kReplica), (RankGroup{4, 1}));
  EXPECT_EQ(GroupOf(layout, Axis::kExpertShard), (RankGroup{2, 2}));
  EXPECT_EQ(GroupOf(layout, Axis::kExpertReplica), (RankGroup{4, 1}));
  const Layout plain{.ep = 4, .dp = 32};
  EXPECT_EQ(GroupOf(plain, Axis::kShard), GroupOf(plain, Axis::kData));
  EXPECT_EQ(GroupOf(plain, Axis::kReplica).ranks, 1);
  EXPECT_EQ(GroupOf(plain, Axis::kExpertShard), GroupOf(plain, Axis::kExpertData));
}

// cp 8 after tp 2: 16 ranks on two nodes. All-to-all among four neighbours fills a node; the ring
// of two goes from node to node.
TEST(ContextGroupsTest, AllToAllInsideRingOutside) {
  const Layout layout{.tp = 2, .cp = 8, .context_inner = 4};
  EXPECT_EQ(GroupOf(layout, Axis::kContext), (RankGroup{8, 4}));
  EXPECT_EQ(GroupOf(layout, Axis::kContextInner), (RankGroup{4, 4}));
  EXPECT_EQ(GroupOf(layout, Axis::kContextOuter), (RankGroup{2, 1}));
}

// The step of a ring over two nodes is as slow as the two that leave one.
TEST(NeighboursTest, ShareANodeOnlyIfTheGroupDoes) {
  EXPECT_EQ(NeighboursIn({.ranks = 4, .ranks_per_node = 4}), (RankGroup{2, 2}));
  EXPECT_EQ(NeighboursIn({.ranks = 8, .ranks_per_node = 4}), (RankGroup{2, 1}));
  EXPECT_EQ(NeighboursIn({.ranks = 4, .ranks_per_node = 1, .node_stride = 2}),
            (RankGroup{2, 1, 2}));
}

}  // namespace
}  // namespace ridgeline::workloads

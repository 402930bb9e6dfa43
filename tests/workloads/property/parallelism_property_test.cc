/// Where groups lie, against GPUs numbered one by one.
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "workloads/parallelism.h"

namespace ridgeline::workloads {
namespace {

Layout RandomLayout() {
  Layout layout;
  layout.tp = *rc::gen::inRange(1, 13);
  layout.cp = *rc::gen::inRange(1, 4);
  layout.ep = *rc::gen::inRange(1, 5);
  layout.dp = layout.ep * *rc::gen::inRange(1, 7);
  layout.pp = *rc::gen::inRange(1, 7);
  layout.gpus_per_node = *rc::gen::element(1, 2, 3, 4, 6, 8, 16, 72);
  return layout;
}

int64_t NodesOf(const RankGroup& group) {
  return (group.ranks + group.ranks_per_node - 1) / group.ranks_per_node;
}

/// The most nodes that a group of `ranks`, `stride` apart, lies on.
int64_t MostNodes(const Layout& layout, int64_t ranks, int64_t stride) {
  size_t most = 0;
  for (int64_t first = 0; first < layout.gpus(); ++first) {
    if (first / stride % ranks != 0) {
      continue;
    }
    std::set<int64_t> nodes;
    for (int64_t i = 0; i < ranks; ++i) {
      nodes.insert((first + i * stride) / layout.gpus_per_node);
    }
    most = std::max(most, nodes.size());
  }
  return static_cast<int64_t>(most);
}

TEST(GroupOfProperty, AGroupLiesInsideANodeOnlyIfAllItsKindDo) {
  EXPECT_TRUE(rc::check([] {
    const Layout layout = RandomLayout();
    const int64_t replicas = layout.dp * layout.cp;
    const auto check = [&](Axis axis, int64_t ranks, int64_t stride) {
      const RankGroup group = GroupOf(layout, axis);
      RC_ASSERT(group.ranks == ranks);
      RC_ASSERT(group.ranks_per_node >= 1);
      RC_ASSERT((NodesOf(group) == 1) == (MostNodes(layout, ranks, stride) == 1));
    };
    check(Axis::kTensor, layout.tp, 1);
    check(Axis::kContext, layout.cp, layout.tp);
    check(Axis::kData, replicas, layout.tp);
    check(Axis::kExpert, layout.ep, layout.tp);
    check(Axis::kExpertData, replicas / layout.ep, layout.tp * layout.ep);
    check(Axis::kPipeline, layout.pp, layout.tp * replicas);
  }));
}

// Where sizes divide one another every group lies alike, and the count is exact.
TEST(GroupOfProperty, EvenLayoutsAreCountedExactly) {
  EXPECT_TRUE(rc::check([] {
    Layout layout;
    layout.gpus_per_node = 8;
    layout.tp = int64_t{1} << *rc::gen::inRange(0, 5);
    layout.dp = int64_t{1} << *rc::gen::inRange(0, 6);
    layout.pp = int64_t{1} << *rc::gen::inRange(0, 4);
    const auto check = [&](Axis axis, int64_t ranks, int64_t stride) {
      RC_ASSERT(NodesOf(GroupOf(layout, axis)) == MostNodes(layout, ranks, stride));
    };
    check(Axis::kTensor, layout.tp, 1);
    check(Axis::kData, layout.dp, layout.tp);
    check(Axis::kPipeline, layout.pp, layout.tp * layout.dp);
  }));
}

TEST(BoundaryGroupProperty, PartnersAreApartExactlyWhenOneOfThemIsOnAnotherNode) {
  EXPECT_TRUE(rc::check([] {
    const Layout layout = RandomLayout();
    const int64_t ranks = layout.tp * layout.cp * layout.dp;
    for (int64_t stage = 0; stage < layout.pp; ++stage) {
      const int64_t next = (stage + 1) % layout.pp;
      bool shares = true;
      for (int64_t i = 0; i < ranks; ++i) {
        shares = shares && (stage * ranks + i) / layout.gpus_per_node ==
                               (next * ranks + i) / layout.gpus_per_node;
      }
      if (layout.pp > 1) {
        RC_ASSERT(BoundaryGroup(layout, stage).ranks_per_node == (shares ? 2 : 1));
      }
    }
  }));
}

}  // namespace
}  // namespace ridgeline::workloads

/// Groups of any order, folding and sharding, against ranks numbered one by one.
#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "workloads/rank_groups.h"

namespace ridgeline::workloads {
namespace {

int64_t DivisorOf(int64_t number) {
  std::vector<int64_t> divisors;
  for (int64_t d = 1; d <= number; ++d) {
    if (number % d == 0) {
      divisors.push_back(d);
    }
  }
  return *rc::gen::elementOf(divisors);
}

Layout RandomLayout(int64_t fewest_stages = 1) {
  Layout layout;
  layout.tp = *rc::gen::inRange(1, 7);
  layout.cp = *rc::gen::inRange(1, 7);
  layout.dp = *rc::gen::inRange(1, 13);
  layout.pp = *rc::gen::inRange<int64_t>(fewest_stages, 5);
  layout.gpus_per_node = *rc::gen::element(1, 2, 3, 4, 6, 8, 16, 72);
  layout.context_inner = DivisorOf(layout.cp);
  if (*rc::gen::arbitrary<bool>()) {
    layout.etp = DivisorOf(layout.tp * layout.replicas());
  }
  layout.ep = DivisorOf(layout.folds_experts() ? layout.tp * layout.replicas() / layout.etp
                                               : layout.replicas());
  if (*rc::gen::arbitrary<bool>()) {
    layout.shard = DivisorOf(layout.replicas());
    if (layout.tp * layout.shard % (layout.expert_tp() * layout.ep) != 0) {
      layout.shard = 0;
    }
  }
  if (*rc::gen::arbitrary<bool>()) {
    std::vector<RankAxis> order = {RankAxis::kTensor, RankAxis::kContext, RankAxis::kData,
                                   RankAxis::kPipeline};
    for (size_t i = order.size(); i-- > 1;) {
      std::swap(order[i],
                order[static_cast<size_t>(*rc::gen::inRange(0, static_cast<int>(i) + 1))]);
    }
    layout.order = order;
  }
  return layout;
}

/// Coordinates of a rank.
std::map<RankAxis, int64_t> PlaceOf(const Layout& layout, int64_t rank) {
  const std::map<RankAxis, int64_t> sizes = {{RankAxis::kTensor, layout.tp},
                                             {RankAxis::kContext, layout.cp},
                                             {RankAxis::kData, layout.dp},
                                             {RankAxis::kPipeline, layout.pp}};
  std::map<RankAxis, int64_t> place;
  const std::vector<RankAxis> usual = {RankAxis::kTensor, RankAxis::kContext, RankAxis::kData,
                                       RankAxis::kPipeline};
  for (const RankAxis axis : layout.order.empty() ? usual : layout.order) {
    place[axis] = rank % sizes.at(axis);
    rank /= sizes.at(axis);
  }
  return place;
}

/// The rank's number among those that differ from it in `axes` only.
int64_t NumberAmong(const Layout& layout, const std::set<RankAxis>& axes, int64_t rank) {
  int64_t number = 0;
  const auto place = PlaceOf(layout, rank);
  for (int64_t other = 0; other < rank; ++other) {
    bool is_among = true;
    for (const auto& [axis, at] : PlaceOf(layout, other)) {
      is_among = is_among && (axes.contains(axis) || at == place.at(axis));
    }
    number += is_among ? 1 : 0;
  }
  return number;
}

struct Pick {
  std::set<RankAxis> axes;
  int64_t ranks;
  int64_t every;
};

/// Members of each group: those that agree in all other axes and in their number, its digit from
/// `every` to every·ranks left out.
std::vector<std::vector<int64_t>> GroupsOf(const Layout& layout, const Pick& pick) {
  std::map<std::vector<int64_t>, std::vector<int64_t>> groups;
  for (int64_t rank = 0; rank < layout.gpus(); ++rank) {
    std::vector<int64_t> key;
    for (const auto& [axis, at] : PlaceOf(layout, rank)) {
      key.push_back(pick.axes.contains(axis) ? -1 : at);
    }
    const int64_t number = NumberAmong(layout, pick.axes, rank);
    key.push_back(number % pick.every);
    key.push_back(number / (pick.every * pick.ranks));
    groups[key].push_back(rank);
  }
  std::vector<std::vector<int64_t>> all;
  for (auto& [key, members] : groups) {
    all.push_back(std::move(members));
  }
  return all;
}

TEST(RankGroupsProperty, EveryGroupTilesTheJobAndLiesAsItIsSaid) {
  EXPECT_TRUE(rc::check([] {
    const Layout layout = RandomLayout();
    RC_PRE(layout.gpus() <= 300);
    const std::set<RankAxis> tensor = {RankAxis::kTensor};
    const std::set<RankAxis> context = {RankAxis::kContext};
    const std::set<RankAxis> data = {RankAxis::kContext, RankAxis::kData};
    const std::set<RankAxis> stage = {RankAxis::kTensor, RankAxis::kContext, RankAxis::kData};
    const bool folds = layout.folds_experts();
    const std::set<RankAxis>& experts = folds ? stage : data;
    const int64_t width = folds ? layout.etp : 1;
    const int64_t block = width * layout.ep;
    const int64_t shard = layout.shard > 0 ? layout.shard : layout.replicas();
    const int64_t expert_shard = layout.expert_replicas() / layout.shard_groups();
    const std::map<Axis, Pick> picks = {
        {Axis::kTensor, {tensor, layout.tp, 1}},
        {Axis::kContext, {context, layout.cp, 1}},
        {Axis::kContextInner, {context, layout.context_inner, 1}},
        {Axis::kContextOuter, {context, layout.cp / layout.context_inner, layout.context_inner}},
        {Axis::kData, {data, layout.replicas(), 1}},
        {Axis::kShard, {data, shard, 1}},
        {Axis::kReplica, {data, layout.shard_groups(), shard}},
        {Axis::kPipeline, {{RankAxis::kPipeline}, layout.pp, 1}},
        {Axis::kExpertTensor, folds ? Pick{stage, layout.etp, 1} : Pick{tensor, layout.tp, 1}},
        {Axis::kExpert, {experts, layout.ep, width}},
        {Axis::kExpertData, {experts, layout.expert_replicas(), block}},
        {Axis::kExpertShard, {experts, expert_shard, block}},
        {Axis::kExpertReplica, {experts, layout.shard_groups(), block * expert_shard}}};
    for (const auto& [axis, pick] : picks) {
      const RankGroup group = GroupOf(layout, axis);
      RC_ASSERT(group.ranks == pick.ranks);
      RC_ASSERT(group.ranks_per_node >= 1);
      RC_ASSERT(group.node_stride >= 1);
      size_t most = 1;
      for (const std::vector<int64_t>& members : GroupsOf(layout, pick)) {
        RC_ASSERT(static_cast<int64_t>(members.size()) == pick.ranks);
        std::set<int64_t> nodes;
        for (const int64_t rank : members) {
          nodes.insert(rank / layout.gpus_per_node);
        }
        most = std::max(most, nodes.size());
      }
      const int64_t said = (group.ranks + group.ranks_per_node - 1) / group.ranks_per_node;
      RC_ASSERT((said == 1) == (most == 1));
    }
  }));
}

TEST(RankGroupsProperty, PartnersOfAStageShareANodeOnlyIfAllOfThemDo) {
  EXPECT_TRUE(rc::check([] {
    const Layout layout = RandomLayout(2);
    for (int64_t stage = 0; stage < layout.pp; ++stage) {
      bool shares = true;
      std::map<std::vector<int64_t>, int64_t> partner;
      const auto key = [&](int64_t rank) {
        std::vector<int64_t> at;
        for (const auto& [axis, value] : PlaceOf(layout, rank)) {
          at.push_back(axis == RankAxis::kPipeline ? 0 : value);
        }
        return at;
      };
      for (int64_t rank = 0; rank < layout.gpus(); ++rank) {
        if (PlaceOf(layout, rank)[RankAxis::kPipeline] == (stage + 1) % layout.pp) {
          partner[key(rank)] = rank;
        }
      }
      for (int64_t rank = 0; rank < layout.gpus(); ++rank) {
        if (PlaceOf(layout, rank)[RankAxis::kPipeline] == stage) {
          shares =
              shares && rank / layout.gpus_per_node == partner[key(rank)] / layout.gpus_per_node;
        }
      }
      RC_ASSERT(BoundaryGroup(layout, stage).ranks_per_node == (shares ? 2 : 1));
    }
  }));
}

}  // namespace
}  // namespace ridgeline::workloads

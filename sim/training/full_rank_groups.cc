#include "sim/training/full_rank_groups.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace ridgeline::training {
namespace {

using workloads::Axis;
using workloads::Layout;
using workloads::RankAxis;

int64_t SizeOf(const Layout& layout, RankAxis axis) {
  switch (axis) {
    case RankAxis::kTensor:
      return layout.tp;
    case RankAxis::kContext:
      return layout.cp;
    case RankAxis::kData:
      return layout.dp;
    case RankAxis::kPipeline:
      return layout.pp;
  }
  return 1;
}

/// `ranks` of the numbers in some axes, each `every` behind the last.
struct Tiling {
  std::vector<RankAxis> axes;
  int64_t ranks = 1;
  int64_t every = 1;
};

/// As workloads::GroupOf has them.
Tiling TilingOf(const Layout& layout, Axis axis) {
  using enum RankAxis;
  const std::vector<RankAxis> data = {kContext, kData};
  const bool folds = layout.folds_experts();
  const std::vector<RankAxis> experts =
      folds ? std::vector<RankAxis>{kTensor, kContext, kData} : data;
  const int64_t shard = layout.replicas() / layout.shard_groups();
  const int64_t expert_block = (folds ? layout.etp : 1) * layout.ep;
  const int64_t expert_shard =
      std::max<int64_t>(1, layout.expert_replicas() / layout.shard_groups());
  switch (axis) {
    case Axis::kTensor:
      return {{kTensor}, layout.tp, 1};
    case Axis::kContext:
      return {{kContext}, layout.cp, 1};
    case Axis::kContextInner:
      return {{kContext}, layout.context_inner, 1};
    case Axis::kContextOuter:
      return {{kContext}, layout.cp / layout.context_inner, layout.context_inner};
    case Axis::kData:
      return {data, layout.replicas(), 1};
    case Axis::kShard:
      return {data, shard, 1};
    case Axis::kReplica:
      return {data, layout.shard_groups(), shard};
    case Axis::kExpertTensor:
      return folds ? Tiling{experts, layout.etp, 1} : Tiling{{kTensor}, layout.tp, 1};
    case Axis::kExpert:
      return {experts, layout.ep, folds ? layout.etp : 1};
    case Axis::kExpertData:
      return {experts, layout.expert_replicas(), expert_block};
    case Axis::kExpertShard:
      return {experts, expert_shard, expert_block};
    case Axis::kExpertReplica:
      return {experts, layout.shard_groups(), expert_block * expert_shard};
    case Axis::kPipeline:
      break;
  }
  return {};
}

}  // namespace

StageRanks::StageRanks(const Layout& layout)
    : layout_(layout),
      stages_(static_cast<size_t>(layout.pp)),
      replicas_(static_cast<size_t>(layout.tp * layout.cp * layout.dp)) {
  const std::vector<RankAxis> order =
      layout.order.empty() ? std::vector<RankAxis>{RankAxis::kTensor, RankAxis::kContext,
                                                   RankAxis::kData, RankAxis::kPipeline}
                           : layout.order;
  int64_t stride = 1;
  for (const RankAxis axis : order) {
    const int64_t size = SizeOf(layout, axis);
    digits_.push_back({axis, size, stride});
    stride *= size;
  }
}

int64_t StageRanks::Coordinate(size_t replica, RankAxis wanted) const {
  auto rest = static_cast<int64_t>(replica);
  if (wanted == RankAxis::kTensor) {
    return rest % layout_.tp;
  }
  rest /= layout_.tp;
  for (const Digit& digit : digits_) {
    if (digit.axis == RankAxis::kContext || digit.axis == RankAxis::kData) {
      if (digit.axis == wanted) {
        return rest % digit.size;
      }
      rest /= digit.size;
    }
  }
  return 0;
}

int64_t StageRanks::NumberIn(size_t replica, const std::vector<RankAxis>& axes) const {
  int64_t number = 0;
  int64_t below = 1;
  for (const Digit& digit : digits_) {
    if (std::find(axes.begin(), axes.end(), digit.axis) != axes.end()) {
      number += Coordinate(replica, digit.axis) * below;
      below *= digit.size;
    }
  }
  return number;
}

int64_t StageRanks::RankOf(size_t stage, size_t replica) const {
  int64_t rank = 0;
  for (const Digit& digit : digits_) {
    rank += digit.stride * (digit.axis == RankAxis::kPipeline ? static_cast<int64_t>(stage)
                                                              : Coordinate(replica, digit.axis));
  }
  return rank;
}

const MeetingGroups& StageRanks::Groups(Axis axis) {
  const auto known = groups_.find(axis);
  if (known != groups_.end()) {
    return known->second;
  }
  const Tiling tiling = TilingOf(layout_, axis);
  MeetingGroups& groups = groups_[axis];
  groups.ranks = static_cast<size_t>(tiling.ranks);
  if (tiling.ranks <= 1) {
    return groups;
  }
  CHECK(replicas_ % groups.ranks == 0, "groups of {} among {} ranks", groups.ranks, replicas_);
  // The axes that a group does not number tell groups apart too.
  std::vector<RankAxis> others;
  for (const Digit& digit : digits_) {
    if (digit.axis != RankAxis::kPipeline &&
        std::find(tiling.axes.begin(), tiling.axes.end(), digit.axis) == tiling.axes.end()) {
      others.push_back(digit.axis);
    }
  }
  struct Key {
    int64_t other, block, offset;
    auto operator<=>(const Key&) const = default;
  };
  std::vector<std::pair<Key, uint32_t>> keys;
  keys.reserve(replicas_);
  for (uint32_t replica = 0; replica < replicas_; ++replica) {
    const int64_t number = NumberIn(replica, tiling.axes);
    keys.push_back(
        {{NumberIn(replica, others), number / (tiling.every * tiling.ranks), number % tiling.every},
         replica});
  }
  std::sort(keys.begin(), keys.end());
  bool in_order = true;
  groups.replicas.reserve(replicas_);
  for (size_t i = 0; i < keys.size(); ++i) {
    groups.replicas.push_back(keys[i].second);
    in_order = in_order && keys[i].second == i;
  }
  if (in_order) {
    groups.replicas.clear();
  }
  return groups;
}

}  // namespace ridgeline::training

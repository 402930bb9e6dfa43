#include "workloads/rank_groups.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <numeric>
#include <utility>

namespace ridgeline::workloads {
namespace {

/// The worst placed of the groups of `ranks` ranks, `stride` apart, that tile the job: all groups
/// work in step, so the one that spans most nodes sets the pace. Nodes hold runs of gpus_per_node.
RankGroup StridedGroup(int64_t ranks, int64_t stride, const Layout& layout) {
  const int64_t node = layout.gpus_per_node;
  if (ranks <= 1 || stride >= node) {
    return {.ranks = ranks,
            .ranks_per_node = layout.gpus() <= node ? ranks : 1,
            .node_stride = std::max<int64_t>(1, stride / node)};
  }
  // Blocks of ranks x stride GPUs begin at multiples of `step` within a node, and a block's groups
  // at its first `stride` GPUs; the group that begins last in its node reaches the furthest.
  const int64_t step = std::gcd(ranks * stride, node);
  const int64_t latest = stride >= step ? node - 1 : node - step + stride - 1;
  const int64_t job_nodes = (layout.gpus() + node - 1) / node;
  const int64_t nodes = std::min(job_nodes, (latest + (ranks - 1) * stride) / node + 1);
  return {.ranks = ranks, .ranks_per_node = (ranks + nodes - 1) / nodes};
}

constexpr std::array kDefaultOrder = {RankAxis::kTensor, RankAxis::kContext, RankAxis::kData,
                                      RankAxis::kPipeline};

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

template <class Visit>
void ForEachAxis(const Layout& layout, const Visit& visit) {
  int64_t stride = 1;
  const auto next = [&](RankAxis axis) {
    const int64_t size = SizeOf(layout, axis);
    visit(axis, size, stride);
    stride *= size;
  };
  if (layout.order.empty()) {
    std::for_each(kDefaultOrder.begin(), kDefaultOrder.end(), next);
  } else {
    std::for_each(layout.order.begin(), layout.order.end(), next);
  }
}

/// `size` ranks, `stride` apart.
struct Digit {
  int64_t size;
  int64_t stride;
};

/// Ranks that differ in some axes only, numbered with the fastest axis first. Axes that follow each
/// other in the layout's order are one digit.
class Numbered {
 public:
  Numbered(const Layout& layout, std::initializer_list<RankAxis> axes) : layout_(layout) {
    ForEachAxis(layout, [&](RankAxis axis, int64_t size, int64_t stride) {
      if (size == 1 || std::find(axes.begin(), axes.end(), axis) == axes.end()) {
        return;
      }
      if (!digits_.empty() && digits_.back().size * digits_.back().stride == stride) {
        digits_.back().size *= size;
      } else {
        digits_.push_back({size, stride});
      }
    });
  }

  /// The worst placed group of `ranks` numbers, each `every` behind the last.
  RankGroup Group(int64_t ranks, int64_t every = 1) const {
    if (ranks <= 1) {
      return {};
    }
    int64_t below = 1;
    for (const Digit& digit : digits_) {
      // Whole groups fit the digit; else one of them goes on in the next.
      if (every % below == 0 && digit.size % (every / below * ranks) == 0) {
        return StridedGroup(ranks, every / below * digit.stride, layout_);
      }
      below *= digit.size;
    }
    return Counted(ranks, every);
  }

 private:
  int64_t NumberOf(int64_t rank) const {
    int64_t number = 0;
    int64_t below = 1;
    for (const Digit& digit : digits_) {
      number += rank / digit.stride % digit.size * below;
      below *= digit.size;
    }
    return number;
  }
  /// How far the rank numbered `number` is from the one numbered 0; grows with the number.
  int64_t DistanceOf(int64_t number) const {
    int64_t distance = 0;
    for (const Digit& digit : digits_) {
      distance += number % digit.size * digit.stride;
      number /= digit.size;
    }
    return distance;
  }
  /// Every group, one by one.
  RankGroup Counted(int64_t ranks, int64_t every) const {
    int64_t most = 0;
    int64_t span = 0;
    for (int64_t first = 0; first < layout_.gpus(); ++first) {
      const int64_t number = NumberOf(first);
      if (number / every % ranks != 0) {
        continue;
      }
      const int64_t origin = first - DistanceOf(number);
      const int64_t first_node = first / layout_.gpus_per_node;
      int64_t last_node = first_node;
      int64_t nodes = 1;
      for (int64_t i = 1; i < ranks; ++i) {
        const int64_t node = (origin + DistanceOf(number + i * every)) / layout_.gpus_per_node;
        nodes += node == last_node ? 0 : 1;
        last_node = node;
      }
      if (nodes > most) {
        most = nodes;
        span = last_node - first_node;
      }
    }
    return {.ranks = ranks,
            .ranks_per_node = (ranks + most - 1) / most,
            .node_stride = most > 1 ? std::max<int64_t>(1, span / (most - 1)) : 1};
  }

  const Layout& layout_;
  std::vector<Digit> digits_;
};

}  // namespace

EnumTable<RankAxis> EnumNames(Tag<RankAxis>) {
  static constexpr std::array<std::pair<std::string_view, RankAxis>, 4> kTable = {{
      {"tp", RankAxis::kTensor},
      {"cp", RankAxis::kContext},
      {"dp", RankAxis::kData},
      {"pp", RankAxis::kPipeline},
  }};
  return kTable;
}

namespace {

RankGroup GroupInStage(const Layout& layout, Axis axis) {
  using enum RankAxis;
  const auto tensor = [&] { return Numbered(layout, {kTensor}); };
  const auto context = [&] { return Numbered(layout, {kContext}); };
  const auto replicas = [&] { return Numbered(layout, {kContext, kData}); };
  const auto experts = [&] {
    return layout.folds_experts() ? Numbered(layout, {kTensor, kContext, kData}) : replicas();
  };
  const int64_t shard = layout.replicas() / layout.shard_groups();
  // Numbers from a rank to the next one with the same experts.
  const int64_t expert_block = (layout.folds_experts() ? layout.etp : 1) * layout.ep;
  const int64_t expert_shard =
      std::max<int64_t>(1, layout.expert_replicas() / layout.shard_groups());
  switch (axis) {
    case Axis::kTensor:
      return tensor().Group(layout.tp);
    case Axis::kContext:
      return context().Group(layout.cp);
    case Axis::kContextInner:
      return context().Group(layout.context_inner);
    case Axis::kContextOuter:
      return context().Group(layout.cp / layout.context_inner, layout.context_inner);
    case Axis::kData:
      return replicas().Group(layout.replicas());
    case Axis::kShard:
      return replicas().Group(shard);
    case Axis::kReplica:
      return replicas().Group(layout.shard_groups(), shard);
    case Axis::kPipeline:
      return Numbered(layout, {kPipeline}).Group(layout.pp);
    case Axis::kExpertTensor:
      return layout.folds_experts() ? experts().Group(layout.etp) : tensor().Group(layout.tp);
    case Axis::kExpert:
      return experts().Group(layout.ep, layout.folds_experts() ? layout.etp : 1);
    case Axis::kExpertData:
      return experts().Group(layout.expert_replicas(), expert_block);
    case Axis::kExpertShard:
      return experts().Group(expert_shard, expert_block);
    case Axis::kExpertReplica:
      return experts().Group(layout.shard_groups(), expert_block * expert_shard);
  }
  return {};
}

/// Whether a group takes in the ranks of all copies of the model.
bool SpansCopies(const Layout& layout, Axis axis) {
  switch (axis) {
    case Axis::kData:
    case Axis::kExpertData:
      return true;
    case Axis::kShard:
    case Axis::kExpertShard:
      return layout.shard_groups() == 1;
    case Axis::kReplica:
    case Axis::kExpertReplica:
      return layout.shard_groups() > 1;
    default:
      return false;
  }
}

}  // namespace

RankGroup GroupOf(const Layout& layout, Axis axis) {
  RankGroup group = GroupInStage(layout, axis);
  if (layout.model_copies > 1 && SpansCopies(layout, axis)) {
    const bool is_on_node = layout.gpus() <= layout.gpus_per_node;
    group.ranks_per_node *= is_on_node ? layout.model_copies : 1;
    group.ranks *= layout.model_copies;
  }
  return group;
}

RankGroup NeighboursIn(const RankGroup& group) {
  return {.ranks = 2,
          .ranks_per_node = group.ranks <= group.ranks_per_node ? 2 : 1,
          .node_stride = group.node_stride};
}

RankGroup BoundaryGroup(const Layout& layout, int64_t stage) {
  int64_t ranks = 1;  // that lie next to each other in a stage
  ForEachAxis(layout, [&](RankAxis axis, int64_t, int64_t stride) {
    ranks = axis == RankAxis::kPipeline ? stride : ranks;
  });
  const bool is_wrap = stage + 1 == layout.pp;
  const int64_t node = layout.gpus_per_node;
  const int64_t pipeline = ranks * layout.pp;
  // Axes slower than pp repeat the pipeline; how it lies on nodes comes round again.
  const int64_t pipelines = std::min(layout.gpus() / pipeline, node);
  bool shares_node = true;
  for (int64_t i = 0; i < pipelines; ++i) {
    const int64_t first = i * pipeline + (is_wrap ? 0 : stage * ranks);
    const int64_t last = i * pipeline + (is_wrap ? pipeline : (stage + 2) * ranks) - 1;
    shares_node = shares_node && first / node == last / node;
  }
  return {.ranks = 2,
          .ranks_per_node = shares_node ? 2 : 1,
          .node_stride = std::max<int64_t>(1, (is_wrap ? layout.pp - 1 : 1) * ranks / node)};
}

}  // namespace ridgeline::workloads

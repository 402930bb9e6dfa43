#include "workloads/pipeline_schedule.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "workloads/dual_pipe_order.h"
#include "workloads/zero_bubble_orders.h"

namespace ridgeline::workloads {
namespace {

constexpr std::array<std::pair<std::string_view, ScheduleKind>, 6> kNames = {{
    {"gpipe", ScheduleKind::kGPipe},
    {"1f1b", ScheduleKind::kOneForwardOneBackward},
    {"interleaved", ScheduleKind::kInterleaved},
    {"zb-h1", ScheduleKind::kZeroBubbleH1},
    {"zb-v", ScheduleKind::kZeroBubbleV},
    {"dualpipe", ScheduleKind::kDualPipe},
}};

std::string_view NameOf(ScheduleKind kind) {
  for (const auto& [name, candidate] : kNames) {
    if (candidate == kind) {
      return name;
    }
  }
  return "unknown";
}

// The k-th forward of every rank, in Megatron's order: groups of pp micro-batches go through chunk
// 0, then the same group through chunk 1, and so on. With one chunk it is micro-batch k.
Slot ForwardSlot(int64_t k, int64_t pp, int64_t vpp) {
  const int64_t group = k / (pp * vpp);
  const int64_t in_group = k % (pp * vpp);
  return {.kind = SlotKind::kForward,
          .micro_batch = static_cast<int32_t>(group * pp + in_group % pp),
          .chunk = static_cast<int32_t>(in_group / pp)};
}

// Backwards come in the same order of micro-batches, through the chunks from the last to the first.
Slot BackwardSlot(int64_t k, int64_t pp, int64_t vpp) {
  const Slot forward = ForwardSlot(k, pp, vpp);
  return {.kind = SlotKind::kBackward,
          .micro_batch = forward.micro_batch,
          .chunk = static_cast<int32_t>(vpp - 1 - forward.chunk)};
}

// `warm_up` forwards, then one forward and one backward by turns, then the backwards left.
std::vector<Slot> WarmUpThenAlternate(int64_t warm_up, int64_t pp, int64_t vpp,
                                      int64_t micro_batches) {
  const int64_t total = micro_batches * vpp;
  warm_up = std::min(warm_up, total);
  std::vector<Slot> order;
  order.reserve(static_cast<size_t>(2 * total));
  for (int64_t k = 0; k < warm_up; ++k) {
    order.push_back(ForwardSlot(k, pp, vpp));
  }
  for (int64_t k = warm_up; k < total; ++k) {
    order.push_back(ForwardSlot(k, pp, vpp));
    order.push_back(BackwardSlot(k - warm_up, pp, vpp));
  }
  for (int64_t k = total - warm_up; k < total; ++k) {
    order.push_back(BackwardSlot(k, pp, vpp));
  }
  return order;
}

}  // namespace

EnumTable<ScheduleKind> EnumNames(Tag<ScheduleKind>) { return kNames; }

std::optional<BrokenScheduleRule> ScheduleRule(ScheduleKind kind, int64_t pp, int64_t vpp,
                                               int64_t micro_batches) {
  const auto broken = [](std::string key, std::string message, std::string hint) {
    return BrokenScheduleRule{std::move(key), std::move(message), std::move(hint)};
  };
  switch (kind) {
    case ScheduleKind::kGPipe:
    case ScheduleKind::kOneForwardOneBackward:
    case ScheduleKind::kZeroBubbleH1:
      if (vpp > 1) {
        return broken(
            "schedule",
            fmt::format("the {} schedule holds one chunk a rank: vpp {}", NameOf(kind), vpp),
            "use schedule: interleaved, or vpp: 1");
      }
      return std::nullopt;
    case ScheduleKind::kInterleaved:
      if (vpp > 1 && micro_batches % pp != 0) {
        return broken(
            "global_batch",
            fmt::format("the interleaved schedule needs micro-batches in multiples of pp: "
                        "{} micro-batches, pp {}",
                        micro_batches, pp),
            "change the global or the micro batch, or use the 1f1b schedule");
      }
      return std::nullopt;
    case ScheduleKind::kZeroBubbleV:
      if (vpp != 2) {
        return broken("parallelism.vpp",
                      fmt::format("the zb-v schedule holds two chunks a rank: vpp {}", vpp),
                      "set training.parallelism.vpp to 2, or use schedule: zb-h1");
      }
      return std::nullopt;
    case ScheduleKind::kDualPipe:
      if (vpp > 1) {
        return broken(
            "parallelism.vpp",
            fmt::format("the dualpipe schedule holds one stage of either copy: vpp {}", vpp),
            "use vpp: 1");
      }
      if (pp % 2 != 0) {
        return broken(
            "parallelism.pp",
            fmt::format("the dualpipe schedule needs an even number of stages: pp {}", pp),
            "use an even pp, or schedule: zb-h1");
      }
      if (micro_batches % 2 != 0 || micro_batches < 2 * pp) {
        return broken("global_batch",
                      fmt::format("the dualpipe schedule needs an even number of micro-batches, "
                                  "2 x pp at least: {} micro-batches, pp {}",
                                  micro_batches, pp),
                      "raise the global batch, or lower micro_batch, dp or pp");
      }
      return std::nullopt;
  }
  return std::nullopt;
}

Result<std::vector<Slot>> OrderOf(ScheduleKind kind, int64_t pp, int64_t vpp, int64_t rank,
                                  int64_t micro_batches) {
  CHECK(pp >= 1 && rank >= 0 && rank < pp, "rank {} of {}", rank, pp);
  if (micro_batches < 1 || vpp < 1) {
    return InvalidArgument(fmt::format(
        "a pipeline needs one micro-batch and one chunk at least: {} micro-batches, vpp {}",
        micro_batches, vpp));
  }
  // Slots number micro-batches and chunks in 32 bits, and an order must fit in memory.
  if (micro_batches > (int64_t{1} << 28) / vpp) {
    return Fail({.code = ErrorCode::kOutOfRange,
                 .message = fmt::format("too many micro-batches for one step: {} with vpp {}",
                                        micro_batches, vpp)});
  }
  if (auto broken = ScheduleRule(kind, pp, vpp, micro_batches)) {
    return InvalidArgument(std::move(broken->message), std::move(broken->hint));
  }
  switch (kind) {
    case ScheduleKind::kZeroBubbleH1:
      return ZeroBubbleH1Order(pp, rank, micro_batches);
    case ScheduleKind::kZeroBubbleV:
      return ZeroBubbleVOrder(pp, rank, micro_batches);
    case ScheduleKind::kDualPipe:
      return DualPipeOrder(pp, rank, micro_batches);
    case ScheduleKind::kGPipe:
    case ScheduleKind::kOneForwardOneBackward:
    case ScheduleKind::kInterleaved:
      break;
  }
  const std::optional<int64_t> warm_up = WarmUpOf(kind, pp, vpp, rank, micro_batches);
  CHECK(warm_up.has_value(), "no warm-up for the {} schedule", NameOf(kind));
  return WarmUpThenAlternate(*warm_up, pp, vpp, micro_batches);
}

std::optional<int64_t> WarmUpOf(ScheduleKind kind, int64_t pp, int64_t vpp, int64_t rank,
                                int64_t micro_batches) {
  const int64_t total = micro_batches * vpp;
  switch (kind) {
    case ScheduleKind::kGPipe:
      return total;
    case ScheduleKind::kOneForwardOneBackward:
      return std::min(total, pp - rank - 1);
    case ScheduleKind::kInterleaved:
      if (vpp == 1) {
        return std::min(total, pp - rank - 1);
      }
      if (micro_batches % pp != 0) {
        return std::nullopt;
      }
      return std::min(total, 2 * (pp - rank - 1) + (vpp - 1) * pp);
    case ScheduleKind::kZeroBubbleH1:
    case ScheduleKind::kZeroBubbleV:
    case ScheduleKind::kDualPipe:
      break;
  }
  return std::nullopt;
}

bool SplitsBackward(ScheduleKind kind) {
  return kind == ScheduleKind::kZeroBubbleH1 || kind == ScheduleKind::kZeroBubbleV ||
         kind == ScheduleKind::kDualPipe;
}

int64_t PeakChunksInFlight(const std::vector<Slot>& order) {
  int64_t held = 0;
  int64_t peak = 0;
  for (const Slot& slot : order) {
    if (slot.kind != SlotKind::kWeight) {
      held += slot.kind == SlotKind::kForward ? 1 : -1;
    }
    peak = std::max(peak, held);
  }
  return peak;
}

}  // namespace ridgeline::workloads

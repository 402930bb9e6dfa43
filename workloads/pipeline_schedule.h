/// In which order a pipeline rank runs the forwards and backwards of its micro-batches. Pure order,
/// no times: the simulator adds those.
///
/// GPipe (arXiv:1811.06965): all forwards, then all backwards. 1F1B (PipeDream-Flush,
/// arXiv:2006.09503): warm-up of pp - rank - 1 forwards, then one forward, one backward.
/// Interleaved 1F1B (Narayanan et al., arXiv:2104.04473): each rank holds vpp chunks; warm-up 2(pp
/// - rank - 1) + (vpp - 1)·pp. Bubbles at equal costs: (pp-1)(F+B), (pp-1)(F+B) and
/// (pp-1)(F+B)/vpp. Zero bubble and DualPipe: zero_bubble_orders.h, dual_pipe_order.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/result.h"

namespace ridgeline::workloads {

enum class ScheduleKind {
  kGPipe,
  kOneForwardOneBackward,
  kInterleaved,
  kZeroBubbleH1,
  kZeroBubbleV,
  kDualPipe
};
EnumTable<ScheduleKind> EnumNames(Tag<ScheduleKind>);

/// kBackward: gradients of inputs and of weights; kInput and kWeight: either alone, where a
/// schedule takes them apart.
enum class SlotKind { kForward, kBackward, kInput, kWeight };

/// One micro-batch through one chunk of a rank's layers.
struct Slot {
  SlotKind kind = SlotKind::kForward;
  int32_t micro_batch = 0;
  int32_t chunk = 0;       // of those on this rank; which of the model: pipeline_chunks.h
  bool with_next = false;  // runs together with the slot after it, a backward (DualPipe)
  friend bool operator==(const Slot&, const Slot&) = default;
};

/// What a schedule cannot run.
struct BrokenScheduleRule {
  std::string key;  // under `training`: of the setting to change
  std::string message;
  std::string hint;
};
/// The rule that these sizes break: chunks a rank, pp even, micro-batches in multiples or enough of
/// them.
std::optional<BrokenScheduleRule> ScheduleRule(ScheduleKind kind, int64_t pp, int64_t vpp,
                                               int64_t micro_batches);

/// The order of one rank. Errors: those of ScheduleRule, kInvalidArgument; kOutOfRange for more
/// slots than can be numbered. O(slots).
Result<std::vector<Slot>> OrderOf(ScheduleKind kind, int64_t pp, int64_t vpp, int64_t rank,
                                  int64_t micro_batches);

/// GPipe, 1F1B and interleaved 1F1B have one form: so many forwards first, then one forward and one
/// backward by turns, then the backwards left; the k-th forward (backward) is the same on every
/// rank. nullopt for the others, and for an interleaved order that OrderOf refuses.
std::optional<int64_t> WarmUpOf(ScheduleKind kind, int64_t pp, int64_t vpp, int64_t rank,
                                int64_t micro_batches);

/// Whether a schedule runs gradients of inputs and of weights at different times.
bool SplitsBackward(ScheduleKind kind);

/// Most (micro-batch, chunk) activations that the order holds at once, in units of chunks.
int64_t PeakChunksInFlight(const std::vector<Slot>& order);

}  // namespace ridgeline::workloads

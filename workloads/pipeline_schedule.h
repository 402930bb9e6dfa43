/// In which order a pipeline rank runs the forwards and backwards of its micro-batches. Pure order,
/// no times: the simulator adds those.
///
/// GPipe (arXiv:1811.06965): all forwards, then all backwards. 1F1B (PipeDream-Flush,
/// arXiv:2006.09503): warm-up of pp - rank - 1 forwards, then one forward, one backward.
/// Interleaved 1F1B (Narayanan et al., arXiv:2104.04473): each rank holds vpp chunks; warm-up 2(pp
/// - rank - 1) + (vpp - 1)·pp. Bubbles at equal costs: (pp-1)(F+B), (pp-1)(F+B) and
/// (pp-1)(F+B)/vpp.
#pragma once

#include <cstdint>
#include <optional>
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

enum class SlotKind { kForward, kBackward };

/// One micro-batch through one chunk of a rank's layers.
struct Slot {
  SlotKind kind = SlotKind::kForward;
  int32_t micro_batch = 0;
  int32_t chunk = 0;  // virtual stage on this rank; model chunk index chunk·pp + rank
  friend bool operator==(const Slot&, const Slot&) = default;
};

/// The order of one rank. UNIMPLEMENTED for schedules not built yet. Interleaved needs
/// micro_batches % pp == 0 (kInvalidArgument).
Result<std::vector<Slot>> OrderOf(ScheduleKind kind, int64_t pp, int64_t vpp, int64_t rank,
                                  int64_t micro_batches);

/// The built schedules have one form: so many forwards first, then one forward and one backward by
/// turns, then the backwards left; the k-th forward (backward) is the same on every rank. nullopt
/// for the others, and for an interleaved order that OrderOf refuses.
std::optional<int64_t> WarmUpOf(ScheduleKind kind, int64_t pp, int64_t vpp, int64_t rank,
                                int64_t micro_batches);

/// Most (micro-batch, chunk) activations that the order holds at once, in units of chunks.
int64_t PeakChunksInFlight(const std::vector<Slot>& order);

}  // namespace ridgeline::workloads

#include "sim/training/held_memory.h"

#include <algorithm>

#include "sim/training/slot_order.h"
#include "workloads/pipeline_schedule.h"

namespace ridgeline::training {
namespace {

using workloads::Slot;
using workloads::SlotKind;

bool IsAlike(const HeldMemory& a, const HeldMemory& b) {
  return a.weights == b.weights && a.gradients == b.gradients && a.activations == b.activations;
}

bool AreAlike(const ChunkMemory& a, const ChunkMemory& b) {
  return a.saved == b.saved && IsAlike(a.forward, b.forward) && IsAlike(a.backward, b.backward);
}

}  // namespace

Bytes ChangeBy(SlotKind kind, const StageView& stages, const ChunkCosts& chunk) {
  Bytes saved;
  Bytes for_weights;
  for (const size_t index : chunk.layers) {
    saved += stages.layers[index].saved_activations;
    for_weights += stages.layers[index].saved_for_weights;
  }
  switch (kind) {
    case SlotKind::kForward:
      return saved;
    case SlotKind::kBackward:
      break;
    case SlotKind::kInput:
      return for_weights - saved;
    case SlotKind::kWeight:
      return Bytes{} - for_weights;
  }
  return Bytes{} - saved;
}

Result<HeldMemory> FullestMoment(const sim::TrainingScenario& training, int64_t rank,
                                 std::span<const ChunkMemory> chunks) {
  const workloads::Layout& layout = training.layout;
  const auto warm_up =
      workloads::WarmUpOf(training.schedule, layout.pp, layout.vpp, rank, training.micro_batches);
  const ChunkMemory& first = chunks.front();
  HeldMemory fullest;
  const auto consider = [&](Bytes held, const HeldMemory& pass) {
    const HeldMemory moment = HeldMemory{.activations = held} + pass;
    if (fullest.total() < moment.total()) {
      fullest = moment;
    }
  };
  if (warm_up && std::all_of(chunks.begin(), chunks.end(),
                             [&](const ChunkMemory& chunk) { return AreAlike(chunk, first); })) {
    const int64_t in_flight = *warm_up + (PairsSlots(training) ? 2 : 1);
    const int64_t held = std::min(in_flight, training.micro_batches * layout.vpp);
    consider(static_cast<double>(held - 1) * first.saved, first.forward);
    consider(static_cast<double>(held) * first.saved, first.backward);
    return fullest;
  }
  const int64_t most = warm_up && layout.vpp == 1 ? training.micro_batches : 4 * layout.pp;
  ASSIGN_OR_RETURN(const std::vector<Slot> order,
                   SlotOrderOf(training, rank, std::min(training.micro_batches, most)));
  Bytes held;
  for (const Slot& slot : order) {
    const ChunkMemory& chunk = chunks[static_cast<size_t>(slot.chunk)];
    switch (slot.kind) {
      case SlotKind::kForward:
        consider(held, chunk.forward);
        held += chunk.saved;
        break;
      case SlotKind::kBackward:
        consider(held, chunk.backward);
        held -= chunk.saved;
        break;
      case SlotKind::kInput:
        consider(held, chunk.input);
        held += chunk.saved_for_weights - chunk.saved;
        break;
      case SlotKind::kWeight:
        held -= chunk.saved_for_weights;
        break;
    }
  }
  return fullest;
}

}  // namespace ridgeline::training

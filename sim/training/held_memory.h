/// What a rank holds along its schedule's order: how full it gets, and of what.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "sim/scenario.h"
#include "sim/training/stage_costs.h"

namespace ridgeline::training {

/// Bytes of one moment, by cause.
struct HeldMemory {
  Bytes weights = {};    // gathered for a while
  Bytes gradients = {};  // of the pass under way
  Bytes activations = {};
  Bytes total() const { return weights + gradients + activations; }
  friend HeldMemory operator+(const HeldMemory& a, const HeldMemory& b) {
    return {a.weights + b.weights, a.gradients + b.gradients, a.activations + b.activations};
  }
};

/// Of one micro-batch in one chunk of a rank.
struct ChunkMemory {
  Bytes saved;              // by its forward, until its backward
  Bytes saved_for_weights;  // from a backward without weight gradients to those
  HeldMemory forward;       // at its fullest, beyond what was held before it
  HeldMemory backward;      // likewise, with what the forward saved as held before
  HeldMemory input;         // of a backward without weight gradients
};

/// What a slot leaves held, or gives back: what a forward keeps stays until its backward; where
/// that is split, some of it until the weight gradients.
Bytes ChangeBy(workloads::SlotKind kind, const StageView& stages, const ChunkCosts& chunk);

/// The fullest moment of `rank`, counted along its order: what micro-batches in flight hold, and
/// the pass under way. `chunks`: in the order of the rank's own (Slot::chunk). O(slots), at most
/// those of 4·pp micro-batches.
///
/// A rank of GPipe or 1F1B whose chunks are all alike holds most after its first steady forward.
/// Otherwise the order is walked, but not to its end: steady patterns repeat after vpp·pp slots of
/// a kind, and what comes before and after them does not depend on how many they are; 4·pp
/// micro-batches show every moment that there is.
Result<HeldMemory> FullestMoment(const sim::TrainingScenario& training, int64_t rank,
                                 std::span<const ChunkMemory> chunks);

}  // namespace ridgeline::training

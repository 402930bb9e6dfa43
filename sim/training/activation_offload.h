/// Kept activations that wait in the host's memory (`offload.activations`): copied out on a stream
/// of their own behind each layer's forward, and back in behind the backward of the layer above.
///
/// A layer waits for what of a copy outlasts its own pass: two layers' copies are never under way
/// at once one way, so a buffer of two layers suffices. Each GPU has its own host link, both ways
/// at once at full rate (hardware::Gpu::host_link, sustained where measured).
#pragma once

#include "hardware/gpu.h"
#include "sim/scenario.h"
#include "sim/training/stage_costs.h"

namespace ridgeline::training {

/// Adds to both passes of a decoder layer what is exposed of its copies, under Cause::kOffload, and
/// moves the copied bytes from what it keeps to its buffer: its own while its backward runs, and
/// those of the layer below, which arrive meanwhile. Nothing where the job offloads nothing.
void OffloadActivations(const sim::TrainingScenario& training, const hardware::Gpu& gpu,
                        CostedLayer& layer);

}  // namespace ridgeline::training

/// How long one iteration of a serving engine takes, given its batch. The scheduler asks nothing
/// else of the hardware, so that a costed model, a fitted one and a test's fake all fit.
///
/// Times are whole picoseconds, decode-only steps are linear in the cached tokens that they read
/// (attention over the KV cache is bound by memory): that is what lets the simulation take many
/// steps at once and end at the same picosecond.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "sim/compute/duration.h"
#include "sim/compute/operation_time.h"
#include "sim/engine/sim_time.h"
#include "sim/reliance.h"
#include "sim/scenario.h"
#include "sim/serving/step_times.h"

namespace ridgeline::serving {

/// A part of a prompt that is computed in a step: `tokens` new ones after `context` already cached.
struct PrefillChunk {
  int64_t tokens = 0;
  int64_t context = 0;
  friend bool operator==(const PrefillChunk&, const PrefillChunk&) = default;
};

struct StepBatch {
  std::span<const PrefillChunk> chunks;
  int64_t decodes = 0;  // sequences that compute one token each
  int64_t decode_context =
      0;                // tokens that these read from the cache, the new ones included, summed
  int64_t sampled = 0;  // sequences that get a token out of this step
};

/// A decode-only step takes base + per_token x context picoseconds while context <= valid_to.
struct DecodeTime {
  engine::Picoseconds base = 0;
  engine::Picoseconds per_token = 0;
  int64_t valid_to = 0;
};

class StepCost {
 public:
  virtual ~StepCost() = default;
  /// Never 0. For a batch without chunks equal to Decode(decodes, decode_context) at that context.
  virtual engine::Picoseconds Of(const StepBatch& batch) = 0;
  /// The line on which a decode-only step of `sequences` lies at `context`.
  virtual DecodeTime Decode(int64_t sequences, int64_t context) = 0;
};

/// What one step of such a batch rests on, whatever the host does meanwhile.
Result<sim::Reliance> RelianceOfStep(const sim::Scenario& scenario,
                                     const compute::OperationTime& time, const StepBatch& batch);

/// From the operations of the model on the scenario's GPUs, at one end of the range. Host time is
/// hidden behind the GPU (the longer of the two) or added, as the engine says. A decode line of
/// whole picoseconds holds for a range in which rounding its slope costs under 1e-6 of the step.
/// Several may share `times`, on one thread; it must outlive them.
std::unique_ptr<StepCost> MakeStepCost(const sim::Scenario& scenario, StepTimes& times,
                                       compute::Bound bound);
/// With times of its own; keeps a reference to `time`. Errors as StepTimes::Of.
Result<std::unique_ptr<StepCost>> MakeStepCost(const sim::Scenario& scenario,
                                               const compute::OperationTime& time,
                                               compute::Bound bound);

}  // namespace ridgeline::serving

#include "planner/validation/fitted_step_cost.h"

#include <algorithm>
#include <limits>

namespace ridgeline::validation {

using engine::Picoseconds;

FittedStepCost::FittedStepCost(const StepConstants& constants)
    : step_(std::max<Picoseconds>(1, engine::ToPicosecondsSaturating(constants.step))),
      token_(engine::ToPicosecondsSaturating(constants.token)),
      sequence_(engine::ToPicosecondsSaturating(constants.sequence)),
      context_(engine::ToPicosecondsSaturating(constants.context)) {}

Picoseconds FittedStepCost::Of(const serving::StepBatch& batch) {
  Picoseconds time = step_ + sequence_ * batch.decodes + context_ * batch.decode_context;
  for (const serving::PrefillChunk& chunk : batch.chunks) {
    time += token_ * chunk.tokens + context_ * chunk.context;
  }
  return time;
}

serving::DecodeTime FittedStepCost::Decode(int64_t sequences, int64_t) {
  return {.base = step_ + sequence_ * sequences,
          .per_token = context_,
          .valid_to = std::numeric_limits<int64_t>::max()};
}

}  // namespace ridgeline::validation

/// A step's time that can be worked by hand.
#pragma once

#include "sim/serving/step_cost.h"

namespace ridgeline::serving {

/// A decode-only step: base + per_sequence x decodes + per_token x context, where per_token differs
/// from one line of `line_tokens` tokens to the next, so that whoever follows a line beyond its end
/// is wrong. Prefill chunks add per_new_token for each token, and per_token for each of their
/// context.
class PlainStepCost final : public StepCost {
 public:
  struct Constants {
    engine::Picoseconds base = 1000;
    engine::Picoseconds per_sequence = 0;
    engine::Picoseconds per_token = 0;
    engine::Picoseconds per_new_token = 0;
    /// Lines hold below the next multiple of this many tokens: the costed model's lines end too.
    int64_t line_tokens = 1 << 20;
  };
  PlainStepCost() = default;
  explicit PlainStepCost(const Constants& constants) : constants_(constants) {}

  engine::Picoseconds Of(const StepBatch& batch) override {
    engine::Picoseconds time = constants_.base + constants_.per_sequence * batch.decodes +
                               SlopeAt(batch.decode_context) * batch.decode_context;
    for (const PrefillChunk& chunk : batch.chunks) {
      time += constants_.per_new_token * chunk.tokens + constants_.per_token * chunk.context;
    }
    return time;
  }
  DecodeTime Decode(int64_t sequences, int64_t context) override {
    return {.base = constants_.base + constants_.per_sequence * sequences,
            .per_token = SlopeAt(context),
            .valid_to = (context / constants_.line_tokens + 1) * constants_.line_tokens - 1};
  }

 private:
  engine::Picoseconds SlopeAt(int64_t context) const {
    return constants_.per_token + context / constants_.line_tokens % 3;
  }

  Constants constants_;
};

}  // namespace ridgeline::serving

/// A step time of four constants, for comparing the scheduler with a measured log of an engine on a
/// machine whose kernels nobody measured:
///
///     t = step + token x (prompt tokens) + sequence x (decodes) + context x (cached tokens read)
///
/// step: weights read, kernels launched; token: matrix work of a prompt token; sequence: what a
/// decoding sequence adds; context: attention over the KV cache, bound by memory. A chunk reads the
/// tokens cached before it. Attention within a chunk is not told apart from its matrix work.
#pragma once

#include "base/units.h"
#include "sim/serving/step_cost.h"

namespace ridgeline::validation {

struct StepConstants {
  Seconds step;
  Seconds token;
  Seconds sequence;
  Seconds context;
};

class FittedStepCost final : public serving::StepCost {
 public:
  explicit FittedStepCost(const StepConstants& constants);
  engine::Picoseconds Of(const serving::StepBatch& batch) override;
  serving::DecodeTime Decode(int64_t sequences, int64_t context) override;

 private:
  engine::Picoseconds step_;
  engine::Picoseconds token_;
  engine::Picoseconds sequence_;
  engine::Picoseconds context_;
};

}  // namespace ridgeline::validation

/// What a GPU's time in a training step is spent on. Every picosecond of every rank has exactly one
/// cause (INV-7).
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "sim/engine/sim_time.h"

namespace ridgeline::training {

enum class Cause {
  kMatmul,            // matrix multiplication, forward and backward
  kAttention,         // the attention core
  kElementwise,       // normalisation, rotary, activation, residual, loss, routing
  kRecompute,         // computing again what was not kept
  kOptimizer,         // gradient norm and update
  kTensorParallel,    // exposed collectives of tensor and sequence parallelism
  kContextParallel,   // exposed exchange of ranks that share a sequence
  kExpertParallel,    // exposed all-to-all of expert parallelism
  kPipelineParallel,  // exposed sends between stages
  kDataParallel,      // exposed gradient reduction and parameter gathers
  kOffload,           // waiting for copies to and from the host's memory
  kHost,              // waiting for the host to issue work
  kStraggler,         // waiting for ranks that do the same, but slower
  kBubble             // waiting for other stages
};
inline constexpr size_t kNumCauses = 14;

/// "matmul": the metric is "time.matmul".
std::string_view CauseName(Cause cause);
/// "matrix multiplication": for people.
std::string_view CauseTitle(Cause cause);

/// Picoseconds by cause.
struct CauseTimes {
  std::array<engine::Picoseconds, kNumCauses> spans = {};

  engine::Picoseconds& operator[](Cause cause) { return spans[static_cast<size_t>(cause)]; }
  engine::Picoseconds operator[](Cause cause) const { return spans[static_cast<size_t>(cause)]; }
  CauseTimes& operator+=(const CauseTimes& other) {
    for (size_t i = 0; i < kNumCauses; ++i) {
      spans[i] = engine::AddSaturating(spans[i], other.spans[i]);
    }
    return *this;
  }
  engine::Picoseconds total() const {
    engine::Picoseconds sum = 0;
    for (const engine::Picoseconds span : spans) {
      sum += span;
    }
    return sum;
  }
};

}  // namespace ridgeline::training

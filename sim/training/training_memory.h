/// Bytes that one GPU of each pipeline rank needs, by cause: exact counts of what a step holds at
/// its fullest, plus what a framework takes besides.
///
/// Weights, gradients and optimizer states: bytes per parameter from the framework's data types
/// (Megatron-LM, megatron/training/theoretical_memory_usage.py; ZeRO-1: arXiv:1910.02054).
/// Activations: what each layer keeps (Korthikanti et al., arXiv:2205.05198, Table 2), times the
/// micro-batches in flight, counted along the schedule's own order rather than by a formula.
#pragma once

#include <vector>

#include "base/units.h"
#include "sim/scenario.h"
#include "sim/training/stage_costs.h"

namespace ridgeline::training {

struct MemoryUse {
  Bytes weights;
  Bytes gradients;
  Bytes optimizer;
  Bytes activations;  // at the fullest moment, what recomputation brings back included
  Bytes allocated() const { return weights + gradients + optimizer + activations; }
};

/// What the CUDA context and the libraries' kernels take beside the allocator: 1,573 MiB on an A100
/// by nvidia-smi (bigscience-workshop/bigscience, train/tr11-176B-ml/chronicles-prequel.md).
inline constexpr double kContextMebibytes = 1573;
/// A caching allocator reserves 1.03 to 1.07 times what is allocated (MooreThreads/SimuMax,
/// docs/b200).
inline constexpr double kReservedLow = 1.03;
inline constexpr double kReservedHigh = 1.07;

/// What must fit of a GPU's memory: the middle of what the allocator reserves, and the context.
inline Bytes PeakOf(Bytes allocated) {
  const double reserve = 0.5 * (kReservedLow + kReservedHigh) - 1.0;
  return Bytes::FromBase(allocated.base() * (1.0 + reserve) + kContextMebibytes * 1048576.0);
}

/// By pipeline rank.
Result<std::vector<MemoryUse>> CountMemory(const sim::TrainingScenario& training,
                                           const StageView& stages);

}  // namespace ridgeline::training

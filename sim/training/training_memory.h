/// Bytes that one GPU of each pipeline rank needs, by cause: exact counts of what a step holds at
/// its fullest, plus what a framework takes besides.
///
/// Weights, gradients and optimizer states: bytes per parameter from the framework's data types
/// (Megatron-LM, megatron/training/theoretical_memory_usage.py), shared out as the job says (ZeRO:
/// arXiv:1910.02054). A framework that makes gradients on demand holds, in the only micro-batch of
/// an only stage, those of the layers whose backward is done: the fullest moment is then that of
/// activations and gradients together, and both are reported as they stand at it.
/// Activations: what each layer keeps (Korthikanti et al., arXiv:2205.05198, Table 2), times the
/// micro-batches in flight, counted along the schedule's own order rather than by a formula.
#pragma once

#include <vector>

#include "base/units.h"
#include "sim/scenario.h"
#include "sim/training/communication_buffers.h"
#include "sim/training/stage_costs.h"

namespace ridgeline::training {

struct MemoryUse {
  Bytes weights;
  Bytes gradients;
  Bytes optimizer;
  Bytes activations;  // at the fullest moment, what recomputation brings back included
  Bytes workspace;    // of the matrix libraries
  Bytes allocated() const { return weights + gradients + optimizer + activations + workspace; }
};

// The CUDA context takes 1,573 MiB on an A100 by nvidia-smi (bigscience-workshop/bigscience,
// train/tr11-176B-ml/chronicles-prequel.md), and a caching allocator reserves 1.03 to 1.07 times
// what is allocated (MooreThreads/SimuMax, docs/b200), where a framework says nothing else:
// workloads::Allocator.

/// What must fit of a GPU's memory: the middle of what the allocator reserves, the context, and the
/// buffers of the job's communicators (communication_buffers.h).
inline Bytes PeakOf(Bytes allocated, const sim::TrainingScenario& training) {
  const workloads::Allocator& allocator = training.framework.allocator;
  const double reserved = 0.5 * (allocator.reserved_low + allocator.reserved_high);
  return reserved * allocated + allocator.context + CommunicationBuffers(training.layout);
}

/// By pipeline rank.
Result<std::vector<MemoryUse>> CountMemory(const sim::TrainingScenario& training,
                                           const StageView& stages);

}  // namespace ridgeline::training

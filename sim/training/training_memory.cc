#include "sim/training/training_memory.h"

#include <algorithm>

#include "workloads/pipeline_schedule.h"

namespace ridgeline::training {
namespace {

/// The most that a chunk's backward holds beyond what its forward left: layers go from the top,
/// each with its buffer, while those above it have given back what they kept.
Bytes BackwardExtra(const StageCosts& stages, const ChunkCosts& chunk) {
  Bytes extra;
  Bytes given_back;
  for (size_t position = chunk.layers.size(); position-- > 0;) {
    const CostedLayer& layer = stages.layers[chunk.layers[position]];
    extra = std::max(extra, layer.recompute_buffer - given_back);
    given_back += layer.saved_activations;
  }
  return extra;
}

}  // namespace

Result<std::vector<MemoryUse>> CountMemory(const sim::TrainingScenario& training,
                                           const StageCosts& stages) {
  const workloads::Layout& layout = training.layout;
  const workloads::TrainingDtypes& dtypes = training.framework.dtypes;
  const auto pp = static_cast<size_t>(layout.pp);
  const bool is_sharded = training.sharding == workloads::Sharding::kZero1;
  const double dense_shards =
      is_sharded ? static_cast<double>(workloads::GroupOf(layout, workloads::Axis::kData).ranks)
                 : 1.0;
  const double expert_shards =
      is_sharded
          ? static_cast<double>(workloads::GroupOf(layout, workloads::Axis::kExpertData).ranks)
          : 1.0;
  const Bytes states =
      2.0 * BytesPerElement(dtypes.optimizer) +
      (dtypes.master != dtypes.parameters ? BytesPerElement(dtypes.master) : Bytes{});

  std::vector<MemoryUse> uses(pp);
  for (size_t rank = 0; rank < pp; ++rank) {
    MemoryUse& use = uses[rank];
    std::vector<Bytes> saved_by_chunk;
    std::vector<Bytes> backward_by_chunk;  // beyond what is held when its backward begins
    for (size_t chunk = rank; chunk < stages.chunks.size(); chunk += pp) {
      Bytes saved;
      for (const size_t index : stages.chunks[chunk].layers) {
        const CostedLayer& layer = stages.layers[index];
        const workloads::RankParameters& parameters = layer.parameters;
        use.weights += parameters.total() * BytesPerElement(dtypes.parameters);
        use.gradients += parameters.total() * BytesPerElement(dtypes.gradients);
        use.optimizer +=
            (parameters.dense / dense_shards + parameters.experts / expert_shards) * states;
        saved += layer.saved_activations;
      }
      saved_by_chunk.push_back(saved);
      backward_by_chunk.push_back(BackwardExtra(stages, stages.chunks[chunk]));
    }
    ASSIGN_OR_RETURN(const std::vector<workloads::Slot> order,
                     workloads::OrderOf(training.schedule, layout.pp, layout.vpp,
                                        static_cast<int64_t>(rank), training.micro_batches));
    Bytes held;
    Bytes fullest;
    for (const workloads::Slot& slot : order) {
      const Bytes saved = saved_by_chunk[static_cast<size_t>(slot.chunk)];
      if (slot.kind == workloads::SlotKind::kForward) {
        held += saved;
        fullest = std::max(fullest, held);
      } else {
        fullest = std::max(fullest, held + backward_by_chunk[static_cast<size_t>(slot.chunk)]);
        held -= saved;
      }
    }
    use.activations = fullest;
  }
  return uses;
}

}  // namespace ridgeline::training

#include "sim/training/training_memory.h"

#include <algorithm>
#include <functional>

#include "workloads/pipeline_schedule.h"

namespace ridgeline::training {
namespace {

/// The most that a chunk's backward holds beyond what its forward left: layers go from the top,
/// each with its buffer, while those above it have given back what they kept.
Bytes BackwardExtra(const StageView& stages, const ChunkCosts& chunk) {
  Bytes extra;
  Bytes given_back;
  for (size_t position = chunk.layers.size(); position-- > 0;) {
    const CostedLayer& layer = stages.layers[chunk.layers[position]];
    extra = std::max(extra, layer.recompute_buffer - given_back);
    given_back += layer.saved_activations;
  }
  return extra;
}

/// Activations of one rank when it holds most, counted along its order.
///
/// A rank whose chunks are all alike holds most after its first steady forward. Otherwise the order
/// is walked, but not to its end: the first steady forward of an interleaved order is one of the
/// first (vpp + 1)·pp and its pattern repeats every vpp·pp, so 3·pp micro-batches show every moment
/// that there is.
Result<Bytes> FullestMoment(const sim::TrainingScenario& training, size_t rank,
                            const std::vector<Bytes>& saved_by_chunk,
                            const std::vector<Bytes>& backward_by_chunk) {
  const workloads::Layout& layout = training.layout;
  const auto all_alike = [](const std::vector<Bytes>& values) {
    return std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
  };
  const auto warm_up = workloads::WarmUpOf(training.schedule, layout.pp, layout.vpp,
                                           static_cast<int64_t>(rank), training.micro_batches);
  if (warm_up && all_alike(saved_by_chunk) && all_alike(backward_by_chunk)) {
    const int64_t held = std::min(*warm_up + 1, training.micro_batches * layout.vpp);
    return static_cast<double>(held) * saved_by_chunk.front() + backward_by_chunk.front();
  }
  const int64_t micro_batches = warm_up && layout.vpp > 1
                                    ? std::min(training.micro_batches, 3 * layout.pp)
                                    : training.micro_batches;
  ASSIGN_OR_RETURN(const std::vector<workloads::Slot> order,
                   workloads::OrderOf(training.schedule, layout.pp, layout.vpp,
                                      static_cast<int64_t>(rank), micro_batches));
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
  return fullest;
}

}  // namespace

Result<std::vector<MemoryUse>> CountMemory(const sim::TrainingScenario& training,
                                           const StageView& stages) {
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
    ASSIGN_OR_RETURN(use.activations,
                     FullestMoment(training, rank, saved_by_chunk, backward_by_chunk));
  }
  return uses;
}

}  // namespace ridgeline::training

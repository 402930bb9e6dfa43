#include "sim/training/training_memory.h"

#include <algorithm>
#include <functional>

#include "sim/training/step_program.h"
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

/// How many ways data-parallel replicas share out what they would all hold.
struct Shards {
  double dense = 1;
  double experts = 1;
  double Of(const workloads::RankParameters& parameters) const {
    return parameters.dense / dense + parameters.experts / experts;
  }
};

/// What one rank shares out, by cause, and what it holds whole meanwhile.
struct Sharing {
  Shards weights;
  Shards gradients;
  Shards optimizer;
  bool gathers_layers = false;         // weights are whole only while their layer computes
  bool keeps_computing_shards = true;  // else the sharded master copy is cast as it is gathered
};

Sharing SharingOf(const sim::TrainingScenario& training) {
  using workloads::Sharding;
  const Shards all = {.dense = static_cast<double>(
                          workloads::GroupOf(training.layout, workloads::Axis::kData).ranks),
                      .experts = static_cast<double>(
                          workloads::GroupOf(training.layout, workloads::Axis::kExpertData).ranks)};
  Sharing sharing;
  switch (training.sharding) {
    case Sharding::kNone:
    case Sharding::kDdp:
      break;
    case Sharding::kFsdp:
    case Sharding::kZero3:
      sharing.weights = all;
      sharing.gathers_layers = true;
      sharing.keeps_computing_shards =
          training.sharding == Sharding::kZero3 ||
          training.framework.dtypes.master == training.framework.dtypes.parameters;
      [[fallthrough]];
    case Sharding::kZero2:
      sharing.gradients = all;
      [[fallthrough]];
    case Sharding::kZero1:
      sharing.optimizer = all;
      break;
  }
  return sharing;
}

/// What a rank that gathers layers holds at the backward's fullest moment: activations; the layer
/// that computes and the one below, gathered while it does (all where none is given up); gradients
/// as shards of what is done, and of the layer that is whole in the type it was computed in and in
/// the buffer that is sent (sharded_layers.h). The loss comes before the first gather of the
/// backward.
void WalkSharded(const sim::TrainingScenario& training, const StageView& stages,
                 const ChunkCosts& chunk, const Shards& shards, MemoryUse& use) {
  const workloads::TrainingDtypes& dtypes = training.framework.dtypes;
  const Bytes gathered = BytesPerElement(GatheredDtype(training));
  const auto layer_at = [&](size_t position) -> const CostedLayer& {
    return stages.layers[chunk.layers[position]];
  };
  Bytes held;
  Bytes all_whole;
  Bytes all_shards;
  for (const size_t index : chunk.layers) {
    const CostedLayer& layer = stages.layers[index];
    held += layer.saved_activations;
    all_whole += layer.parameters.total() * gathered;
    all_shards += shards.Of(layer.parameters) * BytesPerElement(dtypes.gradients);
  }
  MemoryUse fullest;
  const auto consider = [&](const MemoryUse& moment) {
    if (fullest.allocated() < moment.allocated()) {
      fullest = moment;
    }
  };
  // From the second micro-batch on there are shards of every gradient.
  Bytes made = training.micro_batches > 1 ? all_shards : Bytes{};
  const size_t top = chunk.layers.size() - 1;
  for (size_t position = top + 1; position-- > 0;) {
    const CostedLayer& layer = layer_at(position);
    const Bytes own = layer.parameters.total() * gathered;
    const Bytes below =
        position > 0 ? layer_at(position - 1).parameters.total() * gathered : Bytes{};
    MemoryUse moment;
    moment.weights = !training.reshard ? all_whole : position == top ? own : own + below;
    moment.activations = held + layer.recompute_buffer;
    moment.gradients = made;
    consider(moment);
    held -= layer.saved_activations;
    moment.weights = training.reshard ? own + below : all_whole;
    moment.activations = held;
    moment.gradients = made + own + layer.parameters.total() * BytesPerElement(dtypes.reduce);
    consider(moment);
    if (training.micro_batches == 1) {
      made += shards.Of(layer.parameters) * BytesPerElement(dtypes.gradients);
    }
  }
  use.weights += fullest.weights;
  use.activations = fullest.activations;
  use.gradients = fullest.gradients;
}

/// Activations and gradients of one stage's only micro-batch at the moment when they take most
/// together, gradients having memory from their layer's backward on. At a layer's fullest its own
/// gradients are still to come; when it is done it has given back what it kept.
void WalkOnce(const StageView& stages, const ChunkCosts& chunk, const Shards& shards,
              Bytes gradient, MemoryUse& use) {
  Bytes held;
  for (const size_t index : chunk.layers) {
    held += stages.layers[index].saved_activations;
  }
  Bytes made;
  const auto consider = [&](Bytes activations) {
    if (use.activations + use.gradients < activations + made) {
      use.activations = activations;
      use.gradients = made;
    }
  };
  consider(held);
  for (size_t position = chunk.layers.size(); position-- > 0;) {
    const CostedLayer& layer = stages.layers[chunk.layers[position]];
    consider(held + layer.recompute_buffer);
    held -= layer.saved_activations;
    made += shards.Of(layer.parameters) * gradient;
    consider(held);
  }
}

/// What the model returns for a micro-batch.
Bytes Logits(const sim::TrainingScenario& training) {
  return static_cast<double>(training.micro_batch) * static_cast<double>(training.sequence_length) *
         static_cast<double>(training.model.vocabulary) /
         static_cast<double>(training.layout.tp * training.layout.cp) *
         BytesPerElement(workloads::ActivationDtype(training.precision));
}

}  // namespace

Result<std::vector<MemoryUse>> CountMemory(const sim::TrainingScenario& training,
                                           const StageView& stages) {
  const workloads::Layout& layout = training.layout;
  const workloads::TrainingDtypes& dtypes = training.framework.dtypes;
  const auto pp = static_cast<size_t>(layout.pp);
  const Sharing sharing = SharingOf(training);
  const Bytes states =
      2.0 * BytesPerElement(dtypes.optimizer) +
      (dtypes.master != dtypes.parameters ? BytesPerElement(dtypes.master) : Bytes{});
  const Bytes gradient = BytesPerElement(dtypes.gradients);
  // With more micro-batches, or several stages, all gradients exist when activations are fullest.
  const bool makes_gradients_once =
      training.framework.gradients == workloads::GradientBuffers::kOnDemand &&
      training.micro_batches == 1 && stages.chunks.size() == 1;

  std::vector<MemoryUse> uses(pp);
  for (size_t rank = 0; rank < pp; ++rank) {
    MemoryUse& use = uses[rank];
    std::vector<Bytes> saved_by_chunk;
    std::vector<Bytes> backward_by_chunk;  // beyond what is held when its backward begins
    Bytes gradients;
    Bytes buckets;
    for (size_t chunk = rank; chunk < stages.chunks.size(); chunk += pp) {
      Bytes saved;
      for (const size_t index : stages.chunks[chunk].layers) {
        const CostedLayer& layer = stages.layers[index];
        const workloads::RankParameters& parameters = layer.parameters;
        if (sharing.keeps_computing_shards) {
          use.weights += sharing.weights.Of(parameters) * BytesPerElement(dtypes.parameters);
        }
        gradients += sharing.gradients.Of(parameters) * gradient;
        use.optimizer += sharing.optimizer.Of(parameters) * states;
        saved += layer.saved_activations;
      }
      saved_by_chunk.push_back(saved);
      backward_by_chunk.push_back(BackwardExtra(stages, stages.chunks[chunk]));
    }
    if (CopiesGradients(training)) {
      for (size_t chunk = rank; chunk < stages.chunks.size(); chunk += pp) {
        for (const size_t index : stages.chunks[chunk].layers) {
          buckets += stages.layers[index].parameters.total() * BytesPerElement(dtypes.reduce);
        }
      }
    }
    if (sharing.gathers_layers) {
      WalkSharded(training, stages, stages.chunks[rank], sharing.gradients, use);
    } else if (makes_gradients_once) {
      WalkOnce(stages, stages.chunks[rank], sharing.gradients, gradient, use);
    } else {
      use.gradients = gradients;
      ASSIGN_OR_RETURN(use.activations,
                       FullestMoment(training, rank, saved_by_chunk, backward_by_chunk));
    }
    use.gradients += buckets;
    if (training.framework.pipeline_keeps_outputs && pp > 1 && rank + 1 == pp) {
      use.activations += static_cast<double>(training.micro_batches) * Logits(training);
    }
    use.workspace = training.framework.allocator.workspace;
  }
  return uses;
}

}  // namespace ridgeline::training

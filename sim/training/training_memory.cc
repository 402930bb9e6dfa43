#include "sim/training/training_memory.h"

#include <algorithm>

#include "sim/training/held_memory.h"
#include "sim/training/step_program.h"
#include "sim/training/update_traffic.h"
#include "workloads/pipeline_chunks.h"

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

/// Likewise where weight gradients come later and some of what each layer kept stays for them.
Bytes InputExtra(const StageView& stages, const ChunkCosts& chunk) {
  Bytes extra;
  Bytes given_back;
  for (size_t position = chunk.layers.size(); position-- > 0;) {
    const CostedLayer& layer = stages.layers[chunk.layers[position]];
    extra = std::max(extra, layer.recompute_buffer - given_back);
    given_back += layer.saved_activations - layer.saved_for_weights;
    extra = std::max(extra, Bytes{} - given_back);
  }
  return extra;
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
  const Shards all = {
      .dense =
          static_cast<double>(workloads::GroupOf(training.layout, workloads::Axis::kShard).ranks),
      .experts = static_cast<double>(
          workloads::GroupOf(training.layout, workloads::Axis::kExpertShard).ranks)};
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

/// What a micro-batch holds in a chunk whose parameters stand whole.
ChunkMemory HoldWhole(const StageView& stages, const ChunkCosts& chunk) {
  ChunkMemory memory;
  for (const size_t index : chunk.layers) {
    memory.saved += stages.layers[index].saved_activations;
    memory.saved_for_weights += stages.layers[index].saved_for_weights;
  }
  memory.forward.activations = memory.saved;
  memory.backward.activations = BackwardExtra(stages, chunk);
  memory.input.activations = InputExtra(stages, chunk);
  return memory;
}

/// What a micro-batch holds in a chunk of a pipeline that gathers layers: in either pass the layer
/// that computes and the next one, in the backward the gradients of one besides, in the type it was
/// computed in and in the buffer that is sent (sharded_layers.h).
ChunkMemory HoldGathered(const sim::TrainingScenario& training, const StageView& stages,
                         const ChunkCosts& chunk) {
  const Bytes gathered = BytesPerElement(GatheredDtype(training));
  const Bytes reduced = BytesPerElement(training.framework.dtypes.reduce);
  ChunkMemory memory;
  const auto whole = [&](size_t position) {
    return position < chunk.layers.size()
               ? (stages.layers[chunk.layers[position]].parameters.total() +
                  stages.layers[chunk.layers[position]].frozen.total()) *
                     gathered
               : Bytes{};
  };
  const auto keep_fullest = [](HeldMemory& fullest, const HeldMemory& moment) {
    if (fullest.total() < moment.total()) {
      fullest = moment;
    }
  };
  for (size_t position = 0; position < chunk.layers.size(); ++position) {
    memory.saved += stages.layers[chunk.layers[position]].saved_activations;
    keep_fullest(memory.forward,
                 {.weights = whole(position) + whole(position + 1), .activations = memory.saved});
  }
  Bytes given_back;
  for (size_t position = chunk.layers.size(); position-- > 0;) {
    const CostedLayer& layer = stages.layers[chunk.layers[position]];
    const Bytes below = position > 0 ? whole(position - 1) : Bytes{};
    keep_fullest(memory.backward, {.weights = whole(position) + below,
                                   .activations = layer.recompute_buffer - given_back});
    given_back += layer.saved_activations;
    keep_fullest(memory.backward, {.weights = whole(position) + below,
                                   .gradients = layer.parameters.total() * (gathered + reduced),
                                   .activations = Bytes{} - given_back});
  }
  return memory;
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
  const auto whole = [&](const CostedLayer& layer) {
    return (ParametersAsKept(training, layer.parameters.total(), layer.quantized.total(),
                             GatheredDtype(training)) +
            layer.frozen.total()) *
           gathered;
  };
  Bytes held;
  Bytes all_whole;
  Bytes all_shards;
  for (const size_t index : chunk.layers) {
    const CostedLayer& layer = stages.layers[index];
    held += layer.saved_activations;
    all_whole += whole(layer);
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
    const Bytes own = whole(layer);
    const Bytes below = position > 0 ? whole(layer_at(position - 1)) : Bytes{};
    MemoryUse moment;
    moment.weights = !training.reshard ? all_whole : position == top ? own : own + below;
    moment.activations = held + layer.recompute_buffer;
    moment.gradients = made;
    consider(moment);
    held -= layer.saved_activations;
    moment.weights = training.reshard ? own + below : all_whole;
    moment.activations = held;
    moment.gradients =
        made + layer.parameters.total() * (gathered + BytesPerElement(dtypes.reduce));
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
  // Of weights in fp8: a copy for each of two products, but one where the weights are the other.
  const double copies = !KeepsWeightCopies(training) ? 0.0 : training.fp8.keeps_weights ? 1.0 : 2.0;
  const Bytes gradient = BytesPerElement(dtypes.gradients);
  // A backward that cannot add to wider gradients leaves its own beside them, until the optimizer
  // has added all (deepspeedai/DeepSpeed deepspeed/runtime/bf16_optimizer.py).
  const Bytes made_gradient = BytesPerElement(workloads::ActivationDtype(training.precision));
  const bool keeps_made_gradients =
      training.framework.gradients == workloads::GradientBuffers::kPersistent &&
      !training.framework.fusion.gradient_accumulation && made_gradient < gradient;
  // With more micro-batches, or several stages, all gradients exist when activations are fullest.
  const bool makes_gradients_once =
      training.framework.gradients == workloads::GradientBuffers::kOnDemand &&
      training.micro_batches == 1 && stages.chunks.size() == 1;

  const workloads::PipelineChunks places = ChunksOf(training);
  const bool keeps_gathered = KeepsGathered(training);

  std::vector<MemoryUse> uses(pp);
  for (size_t rank = 0; rank < pp; ++rank) {
    MemoryUse& use = uses[rank];
    std::vector<ChunkMemory> held;
    Bytes gradients;
    Bytes buckets;
    Bytes largest_buffer;  // of a layer's gradients to be scattered
    for (int64_t local = 0; local < places.per_rank(); ++local) {
      const ChunkCosts& chunk =
          stages.chunks[static_cast<size_t>(places.ChunkOf(static_cast<int64_t>(rank), local))];
      for (const size_t index : chunk.layers) {
        const CostedLayer& layer = stages.layers[index];
        const workloads::RankParameters& parameters = layer.parameters;
        if (sharing.keeps_computing_shards) {
          use.weights += ParametersAsKept(training, sharing.weights.Of(parameters),
                                          sharing.weights.Of(layer.quantized), dtypes.parameters) *
                         BytesPerElement(dtypes.parameters);
        }
        use.weights += Bytes::FromBase(copies * layer.quantized.total());
        // What is frozen has no other copy than the one that computes.
        use.weights += sharing.weights.Of(layer.frozen) * BytesPerElement(GatheredDtype(training));
        gradients += sharing.gradients.Of(parameters) * gradient;
        if (keeps_made_gradients) {
          gradients += parameters.total() * made_gradient;
        }
        use.optimizer +=
            StatesOf(training, layer,
                     {.dense = sharing.optimizer.dense, .experts = sharing.optimizer.experts});
        if (CopiesGradients(training)) {
          buckets += parameters.total() * BytesPerElement(dtypes.reduce);
        }
        if (keeps_gathered) {
          const Bytes whole = parameters.total() * BytesPerElement(GatheredDtype(training));
          use.weights += whole + layer.frozen.total() * BytesPerElement(GatheredDtype(training));
          gradients += whole;
          largest_buffer =
              std::max(largest_buffer, parameters.total() * BytesPerElement(dtypes.reduce));
        }
      }
      held.push_back(sharing.gathers_layers && !keeps_gathered
                         ? HoldGathered(training, stages, chunk)
                         : HoldWhole(stages, chunk));
    }
    if (sharing.gathers_layers && pp == 1) {
      WalkSharded(training, stages, stages.chunks[rank], sharing.gradients, use);
    } else if (makes_gradients_once) {
      WalkOnce(stages, stages.chunks[rank], sharing.gradients, gradient, use);
    } else {
      ASSIGN_OR_RETURN(const HeldMemory fullest,
                       FullestMoment(training, static_cast<int64_t>(rank), held));
      use.weights += fullest.weights;
      use.gradients = gradients + largest_buffer + fullest.gradients;
      use.activations = fullest.activations;
    }
    use.gradients += buckets;
    if (training.framework.pipeline_keeps_outputs && pp > 1 &&
        rank == static_cast<size_t>(places.RankOf(places.per_copy() - 1))) {
      use.activations += static_cast<double>(training.micro_batches) * Logits(training);
    }
    use.workspace = training.framework.allocator.workspace;
  }
  return uses;
}

}  // namespace ridgeline::training

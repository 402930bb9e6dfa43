/// What each pipeline chunk computes for one micro-batch, costed: the step from operations to
/// picoseconds. Layers of one kind are lowered and costed once, whatever the depth of the model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "sim/compute/operation_time.h"
#include "sim/reliance.h"
#include "sim/scenario.h"
#include "sim/training/pass_costs.h"
#include "workloads/lowering.h"
#include "workloads/pipeline_chunks.h"
#include "workloads/weight_matrices.h"

namespace ridgeline::training {

struct CostedLayer {
  std::string name;        // "layer", "embedding", "head"
  bool is_decoder = true;  // one of the model's layers, not embedding or head
  CostedPass forward;
  CostedPass backward;
  /// The backward in two, where the schedule moves weight gradients (SplitsBackward). A collective
  /// that ran behind the other half is exposed.
  CostedPass input_gradient;
  CostedPass weight_gradient;
  Bytes saved_for_weights;  // from one to the other
  Bytes saved_activations;
  Bytes recompute_buffer;
  Flops model_flops;                              // of one rank and micro-batch
  Flops recompute_flops;                          // likewise, computed a second time
  workloads::RankParameters parameters;           // that train
  workloads::RankParameters frozen;               // that compute only, kept in that type
  std::vector<workloads::WeightMatrix> matrices;  // that those hold, tables of words included
  workloads::RankParameters quantized;            // of the parameters, what products read in fp8
};

/// The layers of one pipeline chunk, bottom to top, as indices into StageCosts::layers.
struct ChunkCosts {
  std::vector<size_t> layers;
};

struct StageCosts {
  std::vector<CostedLayer> layers;  // distinct ones
  std::vector<ChunkCosts> chunks;   // all of workloads::PipelineChunks
  /// Activations, or their gradients, between a stage and the next (the last and the first).
  std::vector<Duration> boundary_sends;
  sim::Reliance sends;  // one there and back over each boundary
  bool has_pipeline = false;
};

/// The distinct layers of a model for one tp, ep, micro-batch and recomputation: what every way of
/// cutting the model into stages shares. (With a shared word table the head also depends on whether
/// pp is 1.)
struct LayerCosts {
  std::vector<CostedLayer> layers;    // decoder layers, then embedding and head
  std::vector<size_t> index_of_kind;  // by the model's kind; SIZE_MAX for those without a layer
  /// What may stand for a layer, itself first, where the job leaves open what is recomputed (see
  /// recompute_choice.h); by its index, empty for others.
  std::vector<std::vector<size_t>> variants;
  std::vector<size_t> next_token;  // layers between the model's own and the head, bottom to top
  Bytes memory;                    // of the GPU
  size_t embedding() const { return layers.size() - 2; }
  size_t head() const { return layers.size() - 1; }
};

/// StageCosts that stand elsewhere: what a planner puts together from parts that many candidates
/// share.
struct StageView {
  std::span<const CostedLayer> layers;
  std::span<const ChunkCosts> chunks;
  std::span<const Duration> boundary_sends;  // empty without a pipeline

  StageView(std::span<const CostedLayer> layers_in, std::span<const ChunkCosts> chunks_in,
            std::span<const Duration> sends_in)
      : layers(layers_in), chunks(chunks_in), boundary_sends(sends_in) {}
  /// Implicit: whoever reads costs need not know who keeps them.
  StageView(const StageCosts& costs)  // NOLINT(google-explicit-constructor)
      : layers(costs.layers), chunks(costs.chunks), boundary_sends(costs.boundary_sends) {}
};

using workloads::SplitsBackward;
workloads::PipelineChunks ChunksOf(const sim::TrainingScenario& training);
/// That go through each chunk of a step: all, or half where there are two copies of the model.
inline int64_t MicroBatchesOfChunk(const sim::TrainingScenario& training) {
  return training.micro_batches / ChunksOf(training).copies();
}

/// Whether each chunk's parameters are gathered once a step: in a pipeline that does not give them
/// up.
bool KeepsGathered(const sim::TrainingScenario& training);

/// The type in which parameters that are cut over ranks are gathered: that of computation, if they
/// are kept wider.
DType GatheredDtype(const sim::TrainingScenario& training);

/// Parameters as elements of `dtype` that take as many bytes: `quantized` of them take one each
/// where a job keeps and gathers weights in fp8.
double ParametersAsKept(const sim::TrainingScenario& training, double parameters, double quantized,
                        DType dtype);
/// Whether quantised copies of the weights stay from one micro-batch to the next.
bool KeepsWeightCopies(const sim::TrainingScenario& training);

/// How much longer than on the mean GPU products take on the one that sets the pace
/// (sim/compute/slowest_gpu.h); 1 where the job says how its GPUs differ.
double PaceOf(const sim::TrainingScenario& training);

/// The parts of CostStages, for whoever keeps them.
Result<LayerCosts> CostLayers(const sim::TrainingScenario& training,
                              const compute::OperationTime& time);
Result<std::vector<ChunkCosts>> PlaceChunks(const sim::TrainingScenario& training,
                                            const LayerCosts& layers);
/// Empty without a pipeline. `reliance` may be null.
Result<std::vector<Duration>> CostBoundarySends(const sim::TrainingScenario& training,
                                                const compute::OperationTime& time,
                                                sim::Reliance* reliance = nullptr);

/// Lowers and costs a training step's parts. Errors: UNIMPLEMENTED for layers that cannot be
/// lowered, kFailedPrecondition when the GPU lacks the data type.
Result<StageCosts> CostStages(const sim::TrainingScenario& training,
                              const compute::OperationTime& time);

}  // namespace ridgeline::training

#include "sim/training/stage_costs.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "sim/compute/run_load.h"
#include "workloads/layer_placement.h"
#include "workloads/product_pieces.h"

namespace ridgeline::training {
namespace {

using workloads::LoweredLayer;
using workloads::Step;
using workloads::StepPart;

/// `is_decoder`: one of the model's layers, not embedding or head.
Result<CostedLayer> CostLayer(std::string name, bool is_decoder, const LoweredLayer& lowered,
                              const sim::TrainingScenario& training,
                              const compute::OperationTime& time) {
  const workloads::Layout& layout = training.layout;
  HostOfPass forward = {.host = &training.framework.host};
  HostOfPass backward = {.host = &training.framework.host, .is_backward = true};
  if (is_decoder) {
    forward.layer = training.framework.host.layer_forward;
    backward.layer = training.framework.host.layer_backward;
    if (training.recompute == workloads::Recompute::kFull) {
      backward.recomputed_layer = forward.layer;
    }
  }
  CostedLayer costed;
  costed.name = std::move(name);
  costed.is_decoder = is_decoder;
  ASSIGN_OR_RETURN(costed.forward, CostPass(lowered.forward, forward, layout, time));
  ASSIGN_OR_RETURN(costed.backward, CostPass(lowered.backward, backward, layout, time));
  costed.saved_activations = lowered.saved_activations;
  costed.recompute_buffer = lowered.recompute_buffer;
  costed.model_flops = lowered.model_flops;
  for (const Step& step : lowered.backward) {
    const auto* operation = std::get_if<Operation>(&step.work);
    if (operation != nullptr && step.part == StepPart::kRecompute) {
      costed.recompute_flops += FlopsOf(*operation);
    }
  }
  return costed;
}

/// What a rank computes with. Where parameters are cut over ranks they arrive in the type of
/// computation, and each backward leaves new gradients in that type, to be summed as shards.
workloads::Framework AsComputed(const sim::TrainingScenario& training) {
  workloads::Framework framework = training.framework;
  if (workloads::ShardsParameters(training.sharding)) {
    framework.dtypes.parameters = GatheredDtype(training);
    framework.dtypes.gradients = framework.dtypes.parameters;
    framework.fusion.gradient_accumulation = false;
    framework.gradients = workloads::GradientBuffers::kOnDemand;
  }
  return framework;
}

/// A distinct layer of the model before it is costed.
struct LayerToCost {
  std::string name;
  bool is_decoder = true;  // one of the model's layers, not embedding or head
  double times = 0;        // that the model has it
  LoweredLayer lowered;
  workloads::RankParameters parameters;
};

/// Decoder layers in the order of LayerCosts::layers, whose indices go to `index_of_kind`, then
/// embedding and head.
Result<std::vector<LayerToCost>> LowerLayers(const sim::TrainingScenario& training,
                                             std::vector<size_t>& index_of_kind) {
  const workloads::Model& model = training.model;
  const workloads::Layout& layout = training.layout;
  const workloads::Framework framework = AsComputed(training);
  const bool sums_shards = workloads::ShardsParameters(training.sharding);
  const workloads::LoweringRequest request = {
      .model = &model,
      .framework = &framework,
      .layout = layout,
      .micro_batch = training.micro_batch,
      .sequence_length = training.sequence_length,
      .compute = training.precision,
      .recompute = training.recompute,
      .recompute_detail = training.recompute_detail,
      .experts = training.experts,
      .fp8 = training.fp8,
      .micro_batches = sums_shards ? 1 : training.micro_batches};
  std::vector<LayerToCost> layers;
  index_of_kind.assign(model.kinds.size(), SIZE_MAX);
  for (const int kind_index : model.layers) {
    size_t& index = index_of_kind[static_cast<size_t>(kind_index)];
    if (index == SIZE_MAX) {
      index = layers.size();
      const workloads::Layer& layer = model.kinds[static_cast<size_t>(kind_index)];
      ASSIGN_OR_RETURN(LoweredLayer lowered, workloads::LowerLayer(request, layer));
      if (framework.overlap.tensor_parallel && layout.sequence_parallel) {
        for (std::vector<Step>* pass : {&lowered.forward, &lowered.backward}) {
          *pass = workloads::InPieces(*pass, layout, framework.tensor_overlap);
        }
      }
      layers.push_back({.name = "layer",
                        .is_decoder = true,
                        .times = 0,
                        .lowered = std::move(lowered),
                        .parameters = workloads::ParametersOnRank(model, layer, layout)});
    }
    layers[index].times += 1;
  }
  const auto shard = static_cast<double>(model.vocabulary) * static_cast<double>(model.hidden) /
                     static_cast<double>(layout.tp);
  const auto positions = model.has_learned_positions ? static_cast<double>(model.max_positions) *
                                                           static_cast<double>(model.hidden)
                                                     : 0.0;
  ASSIGN_OR_RETURN(LoweredLayer embedding, workloads::LowerEmbedding(request));
  layers.push_back({.name = "embedding",
                    .is_decoder = false,
                    .times = 1,
                    .lowered = std::move(embedding),
                    .parameters = {.dense = shard + positions}});
  const bool shares_table = model.has_tied_embeddings && layout.pp == 1;
  const bool has_bias =
      !model.kinds.empty() && model.kinds.front().norm == workloads::NormKind::kLayerNorm;
  const double norms = static_cast<double>(model.hidden) * (has_bias ? 2.0 : 1.0);
  ASSIGN_OR_RETURN(LoweredLayer head, workloads::LowerHead(request));
  layers.push_back({.name = "head",
                    .is_decoder = false,
                    .times = 1,
                    .lowered = std::move(head),
                    .parameters = {.dense = (shares_table ? 0.0 : shard) + norms}});
  return layers;
}

/// Of a micro-batch's forward and backward through the whole model on one GPU. Stages share it:
/// pipelines cut the model into like parts.
Result<compute::RunLoad> LoadOf(const std::vector<LayerToCost>& layers,
                                const compute::OperationTime& time) {
  compute::RunLoad load(time.gpu());
  for (const LayerToCost& layer : layers) {
    for (const auto* pass : {&layer.lowered.forward, &layer.lowered.backward}) {
      for (const Step& step : *pass) {
        if (const auto* operation = std::get_if<Operation>(&step.work)) {
          ASSIGN_OR_RETURN(const Cost burst, time.BurstCostOf(*operation));
          load.Add(*operation, burst, layer.times);
        }
      }
    }
  }
  return load;
}

}  // namespace

DType GatheredDtype(const sim::TrainingScenario& training) {
  const DType kept = training.framework.dtypes.parameters;
  const DType compute = workloads::ActivationDtype(training.precision);
  return BytesPerElement(compute) < BytesPerElement(kept) ? compute : kept;
}

Result<LayerCosts> CostLayers(const sim::TrainingScenario& training,
                              const compute::OperationTime& time) {
  LayerCosts costs;
  ASSIGN_OR_RETURN(std::vector<LayerToCost> layers, LowerLayers(training, costs.index_of_kind));
  ASSIGN_OR_RETURN(const compute::RunLoad load, LoadOf(layers, time));
  const compute::OperationTime loaded = time.In(load);
  for (LayerToCost& layer : layers) {
    ASSIGN_OR_RETURN(CostedLayer costed, CostLayer(std::move(layer.name), layer.is_decoder,
                                                   layer.lowered, training, loaded));
    costed.parameters = layer.parameters;
    costs.layers.push_back(std::move(costed));
  }
  return costs;
}

namespace {

workloads::LayerPlacement PlacementOf(const sim::TrainingScenario& training) {
  workloads::LayerPlacement placement = training.framework.layer_placement();
  placement.stage_layers = training.stage_layers;
  return placement;
}

}  // namespace

Result<std::vector<ChunkCosts>> PlaceChunks(const sim::TrainingScenario& training,
                                            const LayerCosts& layers) {
  const workloads::Model& model = training.model;
  const int64_t stages = training.layout.pp * training.layout.vpp;
  const auto placement = workloads::PlaceLayers(model, stages, PlacementOf(training));
  if (!placement) {
    return InvalidArgument(
        fmt::format("layers do not spread over the pipeline: {} layers, {} chunks",
                    model.num_layers(), stages));
  }
  std::vector<ChunkCosts> chunks;
  for (size_t chunk = 0; chunk < placement->size(); ++chunk) {
    ChunkCosts costs;
    if (chunk == 0) {
      costs.layers.push_back(layers.embedding());
    }
    const workloads::ChunkLayers& range = (*placement)[chunk];
    for (int64_t i = range.first; i < range.first + range.count; ++i) {
      costs.layers.push_back(
          layers.index_of_kind[static_cast<size_t>(model.layers[static_cast<size_t>(i)])]);
    }
    if (chunk + 1 == placement->size()) {
      costs.layers.push_back(layers.head());
    }
    chunks.push_back(std::move(costs));
  }
  return chunks;
}

Result<std::vector<Duration>> CostBoundarySends(const sim::TrainingScenario& training,
                                                const compute::OperationTime& time,
                                                sim::Reliance* reliance) {
  const workloads::Layout& layout = training.layout;
  std::vector<Duration> sends;
  if (layout.pp == 1) {
    return sends;
  }
  const double tokens = static_cast<double>(training.micro_batch) *
                        static_cast<double>(training.sequence_length) /
                        static_cast<double>(layout.cp);
  const double split = layout.sequence_parallel ? static_cast<double>(layout.tp) : 1.0;
  const Bytes message = tokens * static_cast<double>(training.model.hidden) / split *
                        BytesPerElement(workloads::ActivationDtype(training.precision));
  // A boundary lies within a node or between two: each kind is costed once.
  std::array<std::optional<Duration>, 2> known;
  sends.reserve(static_cast<size_t>(layout.pp));
  for (int64_t stage = 0; stage < layout.pp; ++stage) {
    const RankGroup group = workloads::BoundaryGroup(layout, stage);
    std::optional<Duration>& duration = known.at(group.ranks_per_node == 1 ? 0 : 1);
    if (!duration) {
      const Collective send{CollectiveKind::kSend, message, group,
                            workloads::ActivationDtype(training.precision)};
      ASSIGN_OR_RETURN(const Cost cost, time.CostOf(send));
      duration = Duration::Of(cost);
      if (reliance != nullptr) {
        // Activations one way, their gradients the other; boundaries of a kind counted as one.
        reliance->Add(send, cost, 2);
      }
    }
    sends.push_back(*duration);
  }
  return sends;
}

Result<StageCosts> CostStages(const sim::TrainingScenario& training,
                              const compute::OperationTime& time) {
  ASSIGN_OR_RETURN(LayerCosts layers, CostLayers(training, time));
  StageCosts costs;
  ASSIGN_OR_RETURN(costs.chunks, PlaceChunks(training, layers));
  costs.layers = std::move(layers.layers);
  costs.has_pipeline = training.layout.pp > 1;
  ASSIGN_OR_RETURN(costs.boundary_sends, CostBoundarySends(training, time, &costs.sends));
  return costs;
}

}  // namespace ridgeline::training

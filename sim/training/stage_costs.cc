#include "sim/training/stage_costs.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <utility>

#include "sim/compute/run_load.h"
#include "sim/compute/slowest_gpu.h"
#include "sim/training/activation_offload.h"
#include "sim/training/lowered_layers.h"
#include "sim/training/recompute_choice.h"
#include "workloads/layer_placement.h"

namespace ridgeline::training {
namespace {

using workloads::LoweredLayer;
using workloads::Step;
using workloads::StepPart;

/// The steps of one half of a backward. A collective goes on running beside the step after it only
/// where that comes along.
std::vector<Step> HalfOf(const std::vector<Step>& backward, bool is_weights) {
  const auto is_ours = [&](const Step& step) {
    return (step.part == StepPart::kWeightGradient) == is_weights;
  };
  std::vector<Step> half;
  for (size_t i = 0; i < backward.size(); ++i) {
    if (is_ours(backward[i])) {
      half.push_back(backward[i]);
      half.back().runs_beside_next =
          backward[i].runs_beside_next && i + 1 < backward.size() && is_ours(backward[i + 1]);
    }
  }
  return half;
}

/// What a layer keeps between the halves: the operands of every product of its weight gradients,
/// input and gradient of the output, each product for itself (sail-sg/zero-bubble,
/// megatron/core/weight_grad_store.py). All else is given up with the gradient of the input.
Bytes SavedForWeights(const std::vector<Step>& backward) {
  Bytes saved;
  for (const Step& step : backward) {
    const auto* operation = std::get_if<Operation>(&step.work);
    if (operation == nullptr || step.part != StepPart::kWeightGradient) {
      continue;
    }
    if (const auto* gemm = std::get_if<Gemm>(operation)) {
      // [m, k] x [k, n], reduced over k, the tokens.
      saved += static_cast<double>((gemm->m + gemm->n) * gemm->k * gemm->batch) *
               BytesPerElement(gemm->dtype);
    } else if (const auto* grouped = std::get_if<GroupedGemm>(operation)) {
      saved += static_cast<double>(grouped->m * (grouped->n + grouped->k)) *
               BytesPerElement(grouped->dtype);
    }
  }
  return saved;
}

/// Ends of the range from passes over the same steps with less and more work.
void Widen(CostedPass& pass, const CostedPass& lighter, const CostedPass& heavier) {
  CostedPass wide;
  wide.steps = std::move(pass.steps);
  wide.reliance = std::move(pass.reliance);
  for (size_t i = 0; i < wide.steps.size(); ++i) {
    Duration& duration = wide.steps[i].duration;
    duration[Bound::kLow] = std::min(duration[Bound::kLow], lighter.steps[i].duration[Bound::kLow]);
    duration[Bound::kHigh] =
        std::max(duration[Bound::kHigh], heavier.steps[i].duration[Bound::kHigh]);
  }
  SumPass(wide);
  pass = std::move(wide);
}

/// Steps of a pass, as the mean load makes them and at either end of it.
Result<CostedPass> CostAtLoads(const LayerToCost& layer,
                               const std::function<std::vector<Step>(const LoweredLayer&)>& steps,
                               const HostOfPass& host, const workloads::Layout& layout,
                               const compute::OperationTime& time) {
  ASSIGN_OR_RETURN(CostedPass pass, CostPass(steps(layer.lowered), host, layout, time));
  if (layer.lighter && layer.heavier) {
    ASSIGN_OR_RETURN(const CostedPass lighter, CostPass(steps(*layer.lighter), host, layout, time));
    ASSIGN_OR_RETURN(const CostedPass heavier, CostPass(steps(*layer.heavier), host, layout, time));
    Widen(pass, lighter, heavier);
  }
  return pass;
}

Result<CostedLayer> CostLayer(const LayerToCost& layer, const sim::TrainingScenario& training,
                              const compute::OperationTime& time) {
  const workloads::Layout& layout = training.layout;
  const LoweredLayer& lowered = layer.lowered;
  HostOfPass forward = {.host = &training.framework.host};
  HostOfPass backward = {.host = &training.framework.host, .is_backward = true};
  if (layer.is_decoder) {
    forward.layer = training.framework.host.layer_forward;
    backward.layer = training.framework.host.layer_backward;
    if (layer.recomputes_all) {
      backward.recomputed_layer = forward.layer;
    }
  }
  const auto cost = [&](const std::function<std::vector<Step>(const LoweredLayer&)>& steps,
                        const HostOfPass& host) {
    return CostAtLoads(layer, steps, host, layout, time);
  };
  CostedLayer costed;
  costed.name = layer.name;
  costed.is_decoder = layer.is_decoder;
  costed.parameters = layer.parameters;
  costed.frozen = layer.frozen;
  costed.matrices = layer.matrices;
  ASSIGN_OR_RETURN(costed.forward,
                   cost([](const LoweredLayer& at) { return at.forward; }, forward));
  ASSIGN_OR_RETURN(costed.backward,
                   cost([](const LoweredLayer& at) { return at.backward; }, backward));
  if (SplitsBackward(training.schedule)) {
    ASSIGN_OR_RETURN(
        costed.input_gradient,
        cost([](const LoweredLayer& at) { return HalfOf(at.backward, false); }, backward));
    backward.layer = {};
    backward.recomputed_layer = {};
    ASSIGN_OR_RETURN(
        costed.weight_gradient,
        cost([](const LoweredLayer& at) { return HalfOf(at.backward, true); }, backward));
    costed.saved_for_weights = SavedForWeights(lowered.backward);
  }
  if (training.precision == DType::kFp8) {
    for (const workloads::WeightMatrix& matrix : layer.matrices) {
      (matrix.is_expert ? costed.quantized.experts : costed.quantized.dense) +=
          matrix.is_product ? matrix.elements() : 0.0;
    }
  }
  costed.saved_activations = lowered.saved_activations;
  costed.recompute_buffer = lowered.recompute_buffer;
  costed.model_flops = lowered.model_flops;
  for (const Step& step : lowered.backward) {
    const auto* operation = std::get_if<Operation>(&step.work);
    if (operation != nullptr && step.part == StepPart::kRecompute) {
      costed.recompute_flops += FlopsOf(*operation);
    }
  }
  OffloadActivations(training, time.gpu(), costed);
  return costed;
}

/// Of a micro-batch's forward and backward through the whole model on one GPU. Stages share it:
/// pipelines cut the model into like parts.
Result<compute::RunLoad> LoadOf(const LayersToCost& layers, const compute::OperationTime& time) {
  compute::RunLoad load(time.gpu());
  const auto add = [&](const LayerToCost& layer) -> Status {
    for (const auto* pass : {&layer.lowered.forward, &layer.lowered.backward}) {
      for (const Step& step : *pass) {
        if (const auto* operation = std::get_if<Operation>(&step.work)) {
          ASSIGN_OR_RETURN(const Cost burst, time.BurstCostOf(*operation));
          load.Add(*operation, burst, layer.times);
        }
      }
    }
    return {};
  };
  for (const LayersToCost::Kind& kind : layers.kinds) {
    RETURN_IF_ERROR(add(kind.variants.front()));
  }
  for (const LayerToCost& layer : layers.next_token) {
    RETURN_IF_ERROR(add(layer));
  }
  RETURN_IF_ERROR(add(layers.embedding));
  RETURN_IF_ERROR(add(layers.head));
  return load;
}

}  // namespace

bool KeepsGathered(const sim::TrainingScenario& training) {
  return workloads::ShardsParameters(training.sharding) && training.layout.pp > 1 &&
         !training.reshard;
}

workloads::PipelineChunks ChunksOf(const sim::TrainingScenario& training) {
  return {training.schedule, training.layout.pp, training.layout.vpp};
}

DType GatheredDtype(const sim::TrainingScenario& training) {
  const DType kept = training.framework.dtypes.parameters;
  const DType compute = workloads::ActivationDtype(training.precision);
  return BytesPerElement(compute) < BytesPerElement(kept) ? compute : kept;
}

bool KeepsWeightCopies(const sim::TrainingScenario& training) {
  return training.precision == DType::kFp8 && training.framework.fp8_kernels.keeps_weight_copies &&
         !workloads::ShardsParameters(training.sharding);
}

double ParametersAsKept(const sim::TrainingScenario& training, double parameters, double quantized,
                        DType dtype) {
  const bool keeps = training.precision == DType::kFp8 && training.fp8.keeps_weights;
  return keeps ? parameters - quantized * (1.0 - 1.0 / BytesPerElement(dtype).base()) : parameters;
}

double PaceOf(const sim::TrainingScenario& training) {
  return training.ranks.speed_spread > 0 ? 1.0 : compute::PaceOfSlowest(training.layout.gpus());
}

Result<LayerCosts> CostLayers(const sim::TrainingScenario& training,
                              const compute::OperationTime& time) {
  ASSIGN_OR_RETURN(const LayersToCost layers, LowerLayers(training));
  ASSIGN_OR_RETURN(const compute::RunLoad load, LoadOf(layers, time));
  const compute::OperationTime loaded = time.In(load).AtPace(PaceOf(training));
  LayerCosts costs;
  costs.memory = time.gpu().memory.capacity;
  costs.index_of_kind.assign(training.model.kinds.size(), SIZE_MAX);
  const auto add = [&](const LayerToCost& layer) -> Status {
    ASSIGN_OR_RETURN(CostedLayer costed, CostLayer(layer, training, loaded));
    costs.layers.push_back(std::move(costed));
    return {};
  };
  for (const LayersToCost::Kind& kind : layers.kinds) {
    std::vector<CostedLayer> variants;
    for (const LayerToCost& variant : kind.variants) {
      ASSIGN_OR_RETURN(CostedLayer costed, CostLayer(variant, training, loaded));
      variants.push_back(std::move(costed));
    }
    costs.index_of_kind[kind.kind] = costs.layers.size();
    AddVariants(training, std::move(variants), costs);
  }
  for (const LayerToCost& layer : layers.next_token) {
    costs.next_token.assign(static_cast<size_t>(training.model.next_token_layers),
                            costs.layers.size());
    RETURN_IF_ERROR(add(layer));
  }
  RETURN_IF_ERROR(add(layers.embedding));
  RETURN_IF_ERROR(add(layers.head));
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
      costs.layers.insert(costs.layers.end(), layers.next_token.begin(), layers.next_token.end());
      costs.layers.push_back(layers.head());
    }
    chunks.push_back(std::move(costs));
  }
  for (int64_t copy = 1; copy < ChunksOf(training).copies(); ++copy) {
    for (int64_t chunk = 0; chunk < stages; ++chunk) {
      chunks.push_back(chunks[static_cast<size_t>(chunk)]);
    }
  }
  RETURN_IF_ERROR(ChooseVariants(training, layers, chunks));
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

#include "sim/training/lowered_layers.h"

#include <algorithm>
#include <utility>

#include "sim/training/stage_costs.h"
#include "workloads/next_token_layer.h"
#include "workloads/product_pieces.h"

namespace ridgeline::training {
namespace {

using workloads::LoweredLayer;
using workloads::LoweringRequest;
using workloads::Recompute;
using workloads::RecomputeModule;

/// What a rank computes with. Where parameters are cut over ranks they arrive in the type of
/// computation, and each backward leaves new gradients in that type, to be summed as shards.
workloads::Framework AsComputed(const sim::TrainingScenario& training) {
  workloads::Framework framework = training.framework;
  if (workloads::ShardsParameters(training.sharding)) {
    framework.dtypes.parameters = GatheredDtype(training);
    framework.dtypes.gradients = framework.dtypes.parameters;
    framework.fusion.gradient_accumulation = false;
    framework.gradients = workloads::GradientBuffers::kOnDemand;
    // Copies would have to be kept whole; what arrives in fp8 is one already.
    framework.fp8_kernels.keeps_weight_copies = training.fp8.keeps_weights;
  }
  return framework;
}

/// One way to recompute a layer.
struct Policy {
  Recompute recompute = Recompute::kNone;
  std::vector<RecomputeModule> modules;
  std::string name;  // " (norm, activation again)"
};

std::string NameOf(const std::vector<RecomputeModule>& modules) {
  std::string name;
  for (const RecomputeModule module : modules) {
    name += (name.empty() ? " (" : ", ") + Codec<RecomputeModule>::Write(module);
  }
  return name + " again)";
}

/// Every way that is open for a layer that offers `modules`.
std::vector<Policy> PoliciesOf(const sim::TrainingScenario& training,
                               const std::vector<RecomputeModule>& modules) {
  const Recompute recompute = training.recompute;
  if (recompute == Recompute::kFull && training.recompute_detail.layers) {
    return {{}, {.recompute = Recompute::kFull, .modules = {}, .name = " (all again)"}};
  }
  if (recompute != Recompute::kOptimal) {
    return {{.recompute = recompute, .modules = training.recompute_detail.modules, .name = {}}};
  }
  std::vector<Policy> policies = {{}};
  for (size_t set = 1; set < size_t{1} << modules.size(); ++set) {
    Policy policy{.recompute = Recompute::kModules, .modules = {}, .name = {}};
    for (size_t i = 0; i < modules.size(); ++i) {
      if ((set >> i & 1) != 0) {
        policy.modules.push_back(modules[i]);
      }
    }
    policy.name = NameOf(policy.modules);
    policies.push_back(std::move(policy));
  }
  policies.push_back({.recompute = Recompute::kFull, .modules = {}, .name = " (all again)"});
  return policies;
}

/// Products beside their collectives in pieces, where the framework runs them so.
void CutIntoPieces(const LoweringRequest& request, LoweredLayer& lowered) {
  if (request.framework->overlap.tensor_parallel && request.layout.sequence_parallel) {
    for (std::vector<workloads::Step>* pass : {&lowered.forward, &lowered.backward}) {
      *pass = workloads::InPieces(*pass, request.layout, request.framework->tensor_overlap);
    }
  }
}

/// `lower` with the request and with the request at either end of the experts' load.
template <class Lower>
Result<LayerToCost> LowerAtLoads(LoweringRequest request, bool has_experts, const Lower& lower) {
  LayerToCost layer;
  layer.name = "layer";
  const auto at = [&](double imbalance) -> Result<LoweredLayer> {
    request.experts.imbalance = imbalance;
    ASSIGN_OR_RETURN(LoweredLayer lowered, lower(request));
    CutIntoPieces(request, lowered);
    return lowered;
  };
  const double mean = request.experts.imbalance;
  const double spread = request.experts.imbalance_spread;
  ASSIGN_OR_RETURN(layer.lowered, at(mean));
  if (has_experts && spread > 0) {
    ASSIGN_OR_RETURN(layer.lighter, at(std::max(1.0, mean - spread)));
    ASSIGN_OR_RETURN(layer.heavier, at(mean + spread));
  }
  layer.recomputes_all = request.recompute == Recompute::kFull;
  return layer;
}

/// With LoRA adapters alone train, and their kernels are of no kind that an optimizer looks at.
void FreezeAllBut(const sim::TrainingScenario& training, LayerToCost& layer) {
  if (training.lora.rank > 0) {
    layer.frozen = std::exchange(layer.parameters, layer.lowered.adapters);
    layer.matrices.clear();
  }
}

bool HasExperts(const workloads::Layer& layer) {
  return layer.feed_forward.kind == workloads::FeedForwardKind::kMixture;
}

Result<LayersToCost::Kind> LowerKind(const sim::TrainingScenario& training,
                                     const LoweringRequest& request, size_t index) {
  const workloads::Layer& kind = training.model.kinds[index];
  std::vector<RecomputeModule> modules;
  if (training.recompute == Recompute::kOptimal) {
    ASSIGN_OR_RETURN(modules, workloads::RecomputableModules(request, kind));
  }
  const auto times = static_cast<double>(std::count(
      training.model.layers.begin(), training.model.layers.end(), static_cast<int>(index)));
  LayersToCost::Kind lowered{.kind = index, .variants = {}};
  for (Policy& policy : PoliciesOf(training, modules)) {
    LoweringRequest variant = request;
    variant.recompute = policy.recompute;
    variant.recompute_detail.modules = std::move(policy.modules);
    ASSIGN_OR_RETURN(LayerToCost layer,
                     LowerAtLoads(variant, HasExperts(kind), [&](const LoweringRequest& at) {
                       return workloads::LowerLayer(at, kind);
                     }));
    layer.name += policy.name;
    layer.times = lowered.variants.empty() ? times : 0;
    layer.parameters = workloads::ParametersOnRank(training.model, kind, training.layout);
    layer.matrices =
        workloads::MatricesOnRank(training.model, kind, training.layout, request.framework->fusion);
    FreezeAllBut(training, layer);
    lowered.variants.push_back(std::move(layer));
  }
  return lowered;
}

/// The layers that predict further ahead are of the last layer's kind and recompute as the job
/// says; where that is left open, nothing.
Result<LayerToCost> LowerNextToken(const sim::TrainingScenario& training, LoweringRequest request) {
  const workloads::Layer& kind =
      training.model.kinds[static_cast<size_t>(training.model.layers.back())];
  if (request.recompute == Recompute::kOptimal || training.recompute_detail.layers) {
    request.recompute = Recompute::kNone;
  }
  ASSIGN_OR_RETURN(LayerToCost layer,
                   LowerAtLoads(request, HasExperts(kind), [&](const LoweringRequest& at) {
                     return workloads::LowerNextTokenLayer(at, kind);
                   }));
  layer.name = "next-token layer";
  layer.times = static_cast<double>(training.model.next_token_layers);
  layer.parameters = workloads::NextTokenParametersOnRank(training.model, kind, training.layout);
  layer.matrices =
      workloads::MatricesOnRank(training.model, kind, training.layout, request.framework->fusion);
  layer.matrices.push_back(
      {.rows = training.model.hidden / training.layout.tp, .columns = 2 * training.model.hidden});
  FreezeAllBut(training, layer);
  return layer;
}

}  // namespace

Result<LayersToCost> LowerLayers(const sim::TrainingScenario& training) {
  const workloads::Model& model = training.model;
  const workloads::Layout& layout = training.layout;
  const workloads::Framework framework = AsComputed(training);
  const bool sums_shards =
      workloads::ShardsParameters(training.sharding) && !KeepsGathered(training);
  const LoweringRequest request = {.model = &model,
                                   .framework = &framework,
                                   .layout = layout,
                                   .micro_batch = training.micro_batch,
                                   .sequence_length = training.sequence_length,
                                   .compute = training.precision,
                                   .recompute = training.recompute,
                                   .recompute_detail = training.recompute_detail,
                                   .experts = training.experts,
                                   .lora = training.lora,
                                   .fp8 = training.fp8,
                                   .micro_batches = sums_shards ? 1 : training.micro_batches};
  LayersToCost layers;
  std::vector<bool> is_known(model.kinds.size(), false);
  for (const int kind : model.layers) {
    const auto index = static_cast<size_t>(kind);
    if (!is_known[index]) {
      is_known[index] = true;
      ASSIGN_OR_RETURN(LayersToCost::Kind lowered, LowerKind(training, request, index));
      layers.kinds.push_back(std::move(lowered));
    }
  }
  if (model.next_token_layers > 0) {
    ASSIGN_OR_RETURN(LayerToCost next_token, LowerNextToken(training, request));
    layers.next_token.push_back(std::move(next_token));
  }
  const auto shard = static_cast<double>(model.vocabulary) * static_cast<double>(model.hidden) /
                     static_cast<double>(layout.tp);
  const auto positions = model.has_learned_positions ? static_cast<double>(model.max_positions) *
                                                           static_cast<double>(model.hidden)
                                                     : 0.0;
  const workloads::WeightMatrix table = {
      .rows = model.vocabulary / layout.tp, .columns = model.hidden, .is_product = false};
  layers.embedding = {.name = "embedding", .is_decoder = false, .times = 1};
  ASSIGN_OR_RETURN(layers.embedding.lowered, workloads::LowerEmbedding(request));
  layers.embedding.parameters.dense = shard + positions;
  layers.embedding.matrices = {table};

  const workloads::PipelineChunks chunks = ChunksOf(training);
  const bool is_one_rank = chunks.RankOf(0) == chunks.RankOf(chunks.count() - 1);
  const bool has_bias =
      !model.kinds.empty() && model.kinds.front().norm == workloads::NormKind::kLayerNorm;
  const double norms = static_cast<double>(model.hidden) * (has_bias ? 2.0 : 1.0);
  layers.head = {.name = "head", .is_decoder = false, .times = 1};
  ASSIGN_OR_RETURN(layers.head.lowered, workloads::LowerHead(request));
  layers.head.parameters.dense = norms;
  const auto add_table = [&] {
    layers.head.parameters.dense += shard;
    layers.head.matrices.push_back(table);
  };
  if (!(model.has_tied_embeddings && is_one_rank)) {
    add_table();
  }
  // Layers that predict further ahead look their tokens up in a table of their own stage.
  if (model.next_token_layers > 0 && !model.has_tied_embeddings && !is_one_rank) {
    add_table();
  }
  FreezeAllBut(training, layers.embedding);
  FreezeAllBut(training, layers.head);
  return layers;
}

}  // namespace ridgeline::training

// A mixture of experts on one rank (Megatron-LM's all-to-all dispatcher,
// megatron/core/transformer/moe): experts are spread over ep ranks and each expert's width over tp;
// loads are even.
#include <algorithm>

#include "base/check.h"
#include "workloads/rank_steps.h"

namespace ridgeline::workloads {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }

/// Sizes of the routed part on one rank.
struct Routing {
  explicit Routing(const RankShape& shape, const FeedForward& feed_forward)
      : groups(feed_forward.experts / shape.ep),
        local_rows(shape.shard_tokens * feed_forward.experts_per_token),
        expert_rows(shape.tokens * feed_forward.experts_per_token),
        width(shape.Cut(feed_forward.intermediate)),
        logits(shape.shard_tokens * feed_forward.experts) {
    CHECK(feed_forward.experts % shape.ep == 0, "ep {}, {} experts", shape.ep,
          feed_forward.experts);
  }
  int64_t groups;      // experts that this rank holds
  int64_t local_rows;  // copies of tokens that this rank sends out
  int64_t
      expert_rows;  // rows its experts work on: its tp neighbours' too, under sequence parallelism
  int64_t width;
  int64_t logits;
};

GroupedGemm Experts(const RankShape& shape, const Routing& routing, int64_t n, int64_t k) {
  return {.groups = routing.groups,
          .m = routing.expert_rows,
          .n = n,
          .k = k,
          .dtype = shape.compute,
          .output_dtype = shape.compute};
}

void AddExpertWeightGradient(RankSteps& steps, const RankShape& shape, const Routing& routing,
                             const std::string& name, int64_t n, int64_t k) {
  const bool is_fused = shape.framework.fusion.gradient_accumulation;
  GroupedGemm gemm = Experts(shape, routing, n, k);
  gemm.weight_gradient = true;
  gemm.accumulates = is_fused;
  gemm.output_dtype = is_fused ? shape.framework.dtypes.gradients : shape.compute;
  steps.Add(name + " wgrad", gemm, StepPart::kWeightGradient);
  if (!is_fused) {
    steps.AccumulateGradient(name, routing.groups * n * k);
  }
}

/// Between the ranks that hold different experts, `rows` token copies a rank.
void ExchangeTokens(RankSteps& steps, const RankShape& shape, const Routing& routing,
                    const std::string& name) {
  if (shape.ep > 1) {
    steps.Collect(name + " all-to-all", CollectiveKind::kAllToAll,
                  shape.Activation(routing.local_rows, shape.hidden), Axis::kExpert);
  }
}

/// Under sequence parallelism every tp rank holds other tokens but a slice of every expert: the
/// copies are gathered before the experts and their partial results summed after.
void AcrossTensor(RankSteps& steps, const RankShape& shape, const Routing& routing,
                  const std::string& name, CollectiveKind kind) {
  if (shape.sequence_parallel) {
    steps.Collect(name, kind, shape.Activation(routing.expert_rows, shape.hidden), Axis::kTensor);
  }
}

/// A shared expert is a dense feed-forward beside the routed ones, without norm and residual.
FeedForward SharedExpert(const FeedForward& mixture) {
  FeedForward shared;
  shared.intermediate = mixture.shared_intermediate;
  shared.is_gated = mixture.is_gated;
  return shared;
}

Products SharedUp(const RankShape& shape, const FeedForward& shared) {
  const int64_t width = shape.Cut(shared.intermediate);
  return ProductsOf(shape.framework.fusion.gate_up, "shared expert gate-up projection",
                    {{.name = "shared expert gate projection", .out = shared.is_gated ? width : 0},
                     {.name = "shared expert up projection", .out = width}});
}

struct SharedNames {
  std::string down = "shared expert down projection";
};

void AddSharedForward(RankSteps& steps, const RankShape& shape, const FeedForward& shared) {
  const SharedNames names;
  const int64_t width = shape.Cut(shared.intermediate);
  steps.EnterRegion("shared expert");
  steps.Linears(SharedUp(shape, shared), shape.tokens, shape.hidden);
  steps.Activation(shared, shape.tokens, width);
  steps.Linear(names.down, shape.tokens, width, shape.hidden);
  if (shape.sequence_parallel) {
    steps.LeaveRegion("shared expert");
  }
  steps.Memory("shared expert addition", MemoryBoundKind::kResidualAdd,
               2 * Real(shape.shard_tokens) * Real(shape.hidden),
               Real(shape.shard_tokens) * Real(shape.hidden));
}

void AddSharedBackward(RankSteps& steps, const RankShape& shape, const FeedForward& shared) {
  const SharedNames names;
  const int64_t width = shape.Cut(shared.intermediate);
  const Products up = SharedUp(shape, shared);
  steps.LeaveRegionBackward("shared expert");
  steps.LinearInputGradient(names.down, shape.tokens, width, shape.hidden);
  steps.LinearWeightGradient(names.down, shape.tokens, width, shape.hidden);
  steps.ActivationBackward(shared, shape.tokens, width);
  steps.GatherSavedInput("shared expert");
  steps.LinearsInputGradient(up, shape.tokens, shape.hidden);
  if (shape.sequence_parallel) {
    steps.EnterRegionBackward("shared expert");
  }
  steps.LinearsWeightGradient(up, shape.tokens, shape.hidden);
}

}  // namespace

Result<PartOfLayer> LowerMixture(const RankShape& shape, const Layer& layer, bool norm_after) {
  const FeedForward& mixture = layer.feed_forward;
  if (mixture.latent > 0) {
    return Unimplemented("training of experts on a latent: " + shape.model.model_type);
  }
  const Routing routing(shape, mixture);
  const bool has_shared = mixture.shared_intermediate > 0;
  const FeedForward shared = SharedExpert(mixture);
  const Recipes& recipes = shape.framework.recipes;
  const RecipeExtent logits = shape.Extent(Real(routing.logits), Real(routing.local_rows));
  RecipeExtent copies =
      shape.Extent(Real(routing.local_rows) * Real(shape.hidden), Real(routing.local_rows));
  copies.token_elements = Real(shape.shard_tokens) * Real(shape.hidden);
  const Products up =
      ProductsOf(shape.framework.fusion.gate_up, "experts gate-up projection",
                 {{.name = "experts gate projection", .out = mixture.is_gated ? routing.width : 0},
                  {.name = "experts up projection", .out = routing.width}});
  PartOfLayer part;

  RankSteps forward(shape, part.forward, StepPart::kForward);
  forward.Norm("feed-forward norm", layer.norm, shape.shard_tokens);
  part.AddPiece(RecomputeModule::kNorm, 0, shape.OutputOfNorm(layer.norm, shape.shard_tokens));
  const size_t whole = part.forward.size();
  forward.Linear("router", shape.shard_tokens, shape.hidden, mixture.experts);
  forward.Run("routing", recipes.routing.forward, logits, MemoryBoundKind::kRouting);
  forward.Run("permute", recipes.permute.forward, copies, MemoryBoundKind::kPermute);
  ExchangeTokens(forward, shape, routing, "dispatch");
  AcrossTensor(forward, shape, routing, "experts all-gather", CollectiveKind::kAllGather);
  const size_t experts = part.forward.size();
  for (const Products::Product& product : up.list) {
    forward.Add(product.name, Experts(shape, routing, product.out, shape.hidden));
  }
  const size_t activation = part.forward.size();
  forward.Activation(mixture, routing.expert_rows, routing.width);
  part.AddPiece(RecomputeModule::kActivation, activation,
                shape.OutputOfActivation(mixture, routing.expert_rows, routing.width));
  forward.Add("experts down projection", Experts(shape, routing, shape.hidden, routing.width));
  part.AddPiece(RecomputeModule::kExperts, experts,
                shape.SavedByActivation(mixture, routing.expert_rows, routing.width));
  AcrossTensor(forward, shape, routing, "experts reduce-scatter", CollectiveKind::kReduceScatter);
  ExchangeTokens(forward, shape, routing, "combine");
  forward.Run("unpermute", recipes.unpermute.forward, copies, MemoryBoundKind::kPermute);
  if (has_shared) {
    AddSharedForward(forward, shape, shared);
  }
  if (!shape.sequence_parallel) {
    forward.LeaveRegion("feed-forward");  // one all-reduce for routed and shared experts
  }
  const size_t whole_end = part.forward.size();
  if (norm_after) {
    forward.Norm("feed-forward output norm", layer.norm, shape.shard_tokens);
  }
  forward.ResidualAdd("feed-forward residual", shape.shard_tokens);

  RankSteps backward(shape, part.backward, StepPart::kInputGradient);
  backward.DropoutBackward("feed-forward branch dropout backward", shape.shard_tokens);
  if (norm_after) {
    backward.NormBackward("feed-forward output norm", layer.norm, shape.shard_tokens, false);
  }
  if (has_shared) {
    AddSharedBackward(backward, shape, shared);
  }
  backward.Run("unpermute backward", recipes.unpermute.backward, copies, MemoryBoundKind::kPermute);
  ExchangeTokens(backward, shape, routing, "combine gradient");
  AcrossTensor(backward, shape, routing, "experts gradient all-gather", CollectiveKind::kAllGather);
  // Gradient of a projection [n, k]: rows of n in, rows of k out.
  backward.Add("experts down projection dgrad",
               Experts(shape, routing, routing.width, shape.hidden));
  AddExpertWeightGradient(backward, shape, routing, "experts down projection", shape.hidden,
                          routing.width);
  backward.ActivationBackward(mixture, routing.expert_rows, routing.width);
  const double expert_rows = Real(routing.expert_rows);
  for (size_t i = 0; i < up.list.size(); ++i) {
    const Products::Product& product = up.list[i];
    backward.Add(product.name + " dgrad", Experts(shape, routing, shape.hidden, product.out));
    if (i > 0) {
      backward.Run(product.name + " input gradient sum", recipes.fork.backward,
                   shape.Extent(expert_rows * Real(shape.hidden), expert_rows),
                   MemoryBoundKind::kResidualAdd);
    }
    AddExpertWeightGradient(backward, shape, routing, product.name, product.out, shape.hidden);
  }
  AcrossTensor(backward, shape, routing, "experts gradient reduce-scatter",
               CollectiveKind::kReduceScatter);
  ExchangeTokens(backward, shape, routing, "dispatch gradient");
  backward.Run("permute backward", recipes.permute.backward, copies, MemoryBoundKind::kPermute);
  if (!shape.sequence_parallel) {
    backward.EnterRegionBackward("feed-forward", /*before_weight_gradient=*/false);
  }
  backward.Run("routing backward", recipes.routing.backward, logits, MemoryBoundKind::kRouting);
  backward.LinearInputGradient("router", shape.shard_tokens, shape.hidden, mixture.experts);
  backward.LinearWeightGradient("router", shape.shard_tokens, shape.hidden, mixture.experts);
  backward.NormBackward("feed-forward norm", layer.norm, shape.shard_tokens);

  // What the norm keeps, with the input of router and permutation; what routing keeps; the experts'
  // input, what their activation keeps; their output as it came back, for the gradient of the
  // probabilities.
  part.saved = shape.SavedByNorm(layer.norm, shape.shard_tokens) +
               shape.DropoutMask(shape.shard_tokens) + recipes.routing.saved.BytesOf(logits) +
               recipes.permute.saved.BytesOf(copies) +
               (recipes.permute.keeps_output ? shape.Activation(routing.expert_rows, shape.hidden)
                                             : Bytes{}) +
               shape.SavedByActivation(mixture, routing.expert_rows, routing.width) +
               recipes.unpermute.saved.BytesOf(copies);
  if (norm_after) {
    part.saved += shape.Saved(shape.NormRecipe(layer.norm), shape.shard_tokens, shape.hidden);
  }
  part.transient =
      recipes.unpermute.transient.BytesOf(copies) +
      shape.Transient(shape.ActivationRecipe(mixture), routing.expert_rows, routing.width);
  const double matrices = mixture.is_gated ? 3.0 : 2.0;
  part.transient =
      std::max(part.transient,
               shape.LateInFeedForward(
                   matrices * Real(routing.groups) * Real(routing.width) * Real(shape.hidden),
                   shape.Activation(routing.expert_rows, routing.width),
                   shape.Activation(routing.expert_rows, shape.hidden), part.saved));
  if (has_shared) {
    part.saved += shape.SavedByActivation(shared, shape.tokens, shape.Cut(shared.intermediate));
  }
  // All but the norm, whose result is its input.
  Bytes of_norm =
      shape.SavedByNorm(layer.norm, shape.shard_tokens) + shape.DropoutMask(shape.shard_tokens);
  if (norm_after) {
    of_norm += shape.Saved(shape.NormRecipe(layer.norm), shape.shard_tokens, shape.hidden);
  }
  part.pieces.push_back({.module = RecomputeModule::kMixture,
                         .first = whole,
                         .last = whole_end,
                         .saved = part.saved - of_norm});
  return part;
}

}  // namespace ridgeline::workloads

// A mixture of experts on one rank (Megatron-LM's all-to-all dispatcher,
// megatron/core/transformer/moe): experts are spread over ep ranks and each expert's width over
// etp. The rank is the most loaded one of its expert group, which the others wait for.
#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "workloads/rank_steps.h"

namespace ridgeline::workloads {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }

/// Copies of its own tokens that a rank sends out. With a capacity each expert gets as many from
/// every rank, padded (token_dispatcher.py, moe_pad_expert_input_to_capacity); a token goes to an
/// expert at most once.
int64_t LocalRows(const RankShape& shape, const FeedForward& mixture) {
  const int64_t copies = shape.shard_tokens * mixture.experts_per_token;
  if (!shape.routing.capacity_factor) {
    return copies;
  }
  const double even = Real(copies) / Real(mixture.experts);
  const auto capacity = static_cast<int64_t>(std::ceil(*shape.routing.capacity_factor * even));
  return std::min(capacity, shape.shard_tokens) * mixture.experts;
}

/// Sizes of the routed part on one rank.
struct Routing {
  explicit Routing(const RankShape& shape, const FeedForward& mixture)
      : groups(mixture.experts / shape.ep),
        local_rows(LocalRows(shape, mixture)),
        width(mixture.intermediate / shape.expert_tp),
        logits(shape.shard_tokens * mixture.experts),
        gathers(shape.expert_tp > 1 && (shape.sequence_parallel || shape.tp == 1)) {
    CHECK(mixture.experts % shape.ep == 0, "ep {}, {} experts", shape.ep, mixture.experts);
    CHECK(mixture.intermediate % shape.expert_tp == 0, "etp {}, width {}", shape.expert_tp,
          mixture.intermediate);
    // Ranks can differ only where experts are spread over them, and padded ones do not.
    const bool is_uneven = shape.ep > 1 && !shape.routing.capacity_factor;
    const double load = is_uneven ? std::min(shape.routing.imbalance, Real(shape.ep)) : 1.0;
    received_rows = std::llround(load * Real(local_rows));
    expert_rows = (gathers ? shape.expert_tp : 1) * received_rows;
    sent_rows = received_rows;
    if (shape.routing.dispatch == ExpertDispatch::kDeduplicated) {
      const RankGroup& group = shape.expert_group;
      const int64_t nodes = (group.ranks + group.ranks_per_node - 1) / group.ranks_per_node;
      sent_rows =
          std::llround(Real(received_rows) / Real(mixture.experts_per_token) *
                       DistinctPlaces(nodes > 1 ? nodes : group.ranks, mixture.experts_per_token));
    }
  }
  int64_t groups;         // experts that this rank holds
  int64_t local_rows;     // copies of tokens that this rank sends out
  int64_t received_rows;  // that it gets, as the most loaded one
  int64_t sent_rows;      // that travel to it: fewer where copies are made on arrival
  int64_t expert_rows;    // rows its experts work on: those of its etp neighbours too
  int64_t width;
  int64_t logits;
  bool gathers;  // etp neighbours hold different tokens
};

GroupedGemm Experts(const RankShape& shape, const Routing& routing, int64_t n, int64_t k) {
  return {.groups = routing.groups,
          .m = routing.expert_rows,
          .n = n,
          .k = k,
          .dtype = shape.product,
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

/// Whether what goes to the experts travels in 8 bits; what comes back does in 16 (DeepSeek-V3,
/// arXiv:2412.19437, section 3.3.3).
bool SendsQuantized(const RankShape& shape, bool to_experts) {
  return to_experts && shape.quantizes() && shape.fp8.dispatches;
}

void Move(RankSteps& steps, const RankShape& shape, const std::string& name, CollectiveKind kind,
          int64_t rows, Axis axis, bool to_experts) {
  if (SendsQuantized(shape, to_experts)) {
    steps.Collect(name, kind, QuantizedBytes(shape.fp8.scaling, Real(rows) * Real(shape.hidden)),
                  axis, DType::kFp8);
  } else {
    steps.Collect(name, kind, shape.Activation(rows, shape.hidden), axis);
  }
}

/// Between the ranks that hold different experts. The most loaded rank gets, and gives back, more
/// than the others: it sets the pace.
void ExchangeTokens(RankSteps& steps, const RankShape& shape, const Routing& routing,
                    const std::string& name, bool to_experts) {
  if (shape.ep > 1) {
    Move(steps, shape, name + " all-to-all", CollectiveKind::kAllToAll, routing.sent_rows,
         Axis::kExpert, to_experts);
  }
}

/// Every rank of the experts' tensor parallelism holds other tokens but a slice of every expert:
/// the copies are gathered before the experts and their partial results summed after.
void AcrossTensor(RankSteps& steps, const RankShape& shape, const Routing& routing,
                  const std::string& name, CollectiveKind kind) {
  if (routing.gathers) {
    Move(steps, shape, name, kind, routing.expert_rows,
         shape.expert_tp == shape.tp ? Axis::kTensor : Axis::kExpertTensor,
         kind == CollectiveKind::kAllGather);
  }
}

/// Tokens on their way to the experts, forward, or the gradients of what those gave, backward: sent
/// in 8 bits, or quantised on arrival.
void ToExperts(RankSteps& steps, const RankShape& shape, const Routing& routing,
               const std::string& exchange, const std::string& gather) {
  ExchangeTokens(steps, shape, routing, exchange, /*to_experts=*/true);
  AcrossTensor(steps, shape, routing, gather, CollectiveKind::kAllGather);
  if (SendsQuantized(shape, true)) {
    steps.TransposeQuantized(exchange, routing.expert_rows, shape.hidden);
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
  steps.ActivationOfProduct(shared, shape.tokens, width);
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
  steps.QuantizeSavedInput(names.down, shape.tokens, width);
  steps.LinearWeightGradient(names.down, shape.tokens, width, shape.hidden);
  steps.ActivationBackward(shared, shape.tokens, width);
  for (const Products::Product& product : up.list) {
    steps.QuantizeGradient(product.name, shape.tokens, product.out);
  }
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
  if (shape.expert_tp != shape.tp && shape.tp > 1 && !shape.sequence_parallel) {
    return Unimplemented(
        "experts with a tensor parallelism of their own where tp ranks hold the "
        "same tokens",
        "use sequence_parallel: true, or leave etp out");
  }
  const Routing routing(shape, mixture);
  // Router and norm compute in 16 bits, and so is the norm's result kept.
  const RankShape wide = shape.WithoutFp8();
  const bool sends_quantized = SendsQuantized(shape, true);
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
  part.AddPiece(RecomputeModule::kNorm, 0, wide.OutputOfNorm(layer.norm, shape.shard_tokens));
  const size_t whole = part.forward.size();
  RankSteps(wide, part.forward, StepPart::kForward)
      .Linear("router", shape.shard_tokens, shape.hidden, mixture.experts);
  forward.Run("routing", recipes.routing.forward, logits, MemoryBoundKind::kRouting);
  if (sends_quantized) {
    forward.Quantize("dispatch", shape.shard_tokens, shape.hidden, Fp8Copies::kRows);
  }
  forward.Run("permute", recipes.permute.forward, copies, MemoryBoundKind::kPermute);
  ToExperts(forward, shape, routing, "dispatch", "experts all-gather");
  const size_t experts = part.forward.size();
  if (!sends_quantized) {
    forward.QuantizeInput("experts input", routing.expert_rows, shape.hidden);
  }
  for (const Products::Product& product : up.list) {
    forward.QuantizeWeights(product.name, routing.groups, shape.hidden, product.out);
    forward.Add(product.name, Experts(shape, routing, product.out, shape.hidden));
  }
  const size_t activation = part.forward.size();
  forward.ActivationOfProduct(mixture, routing.expert_rows, routing.width);
  part.AddPiece(RecomputeModule::kActivation, activation,
                shape.OutputOfActivation(mixture, routing.expert_rows, routing.width));
  forward.QuantizeWeights("experts down projection", routing.groups, routing.width, shape.hidden);
  forward.Add("experts down projection", Experts(shape, routing, shape.hidden, routing.width));
  part.AddPiece(RecomputeModule::kExperts, experts,
                shape.SavedByActivation(mixture, routing.expert_rows, routing.width));
  AcrossTensor(forward, shape, routing, "experts reduce-scatter", CollectiveKind::kReduceScatter);
  ExchangeTokens(forward, shape, routing, "combine", /*to_experts=*/false);
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
  if (sends_quantized) {
    backward.Quantize("combine gradient", routing.local_rows, shape.hidden, Fp8Copies::kRows);
  }
  ToExperts(backward, shape, routing, "combine gradient", "experts gradient all-gather");
  if (!sends_quantized) {
    backward.QuantizeGradient("experts down projection", routing.expert_rows, shape.hidden);
  }
  // Gradient of a projection [n, k]: rows of n in, rows of k out.
  backward.Add("experts down projection dgrad",
               Experts(shape, routing, routing.width, shape.hidden));
  backward.QuantizeSavedInput("experts down projection", routing.expert_rows, routing.width);
  AddExpertWeightGradient(backward, shape, routing, "experts down projection", shape.hidden,
                          routing.width);
  backward.ActivationBackward(mixture, routing.expert_rows, routing.width);
  for (const Products::Product& product : up.list) {
    backward.QuantizeGradient(product.name, routing.expert_rows, product.out);
  }
  if (!sends_quantized) {
    backward.QuantizeSavedInput("experts input", routing.expert_rows, shape.hidden);
  }
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
  ExchangeTokens(backward, shape, routing, "dispatch gradient", /*to_experts=*/false);
  backward.Run("permute backward", recipes.permute.backward, copies, MemoryBoundKind::kPermute);
  if (!shape.sequence_parallel) {
    backward.EnterRegionBackward("feed-forward", /*before_weight_gradient=*/false);
  }
  backward.Run("routing backward", recipes.routing.backward, logits, MemoryBoundKind::kRouting);
  RankSteps router(wide, part.backward, StepPart::kInputGradient);
  router.LinearInputGradient("router", shape.shard_tokens, shape.hidden, mixture.experts);
  router.LinearWeightGradient("router", shape.shard_tokens, shape.hidden, mixture.experts);
  backward.NormBackward("feed-forward norm", layer.norm, shape.shard_tokens);

  // What the norm keeps, with the input of router and permutation; what routing keeps; the experts'
  // input, what their activation keeps; their output as it came back, for the gradient of the
  // probabilities.
  part.saved = wide.SavedByNorm(layer.norm, shape.shard_tokens) +
               shape.DropoutMask(shape.shard_tokens) + recipes.routing.saved.BytesOf(logits) +
               recipes.permute.saved.BytesOf(copies) +
               (recipes.permute.keeps_output ? shape.ProductInput(routing.expert_rows, shape.hidden)
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
      wide.SavedByNorm(layer.norm, shape.shard_tokens) + shape.DropoutMask(shape.shard_tokens);
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

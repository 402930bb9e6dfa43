// A mixture of experts on one rank (Megatron-LM's all-to-all dispatcher,
// megatron/core/transformer/moe): experts are spread over ep ranks and each expert's width over tp;
// loads are even.
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
        up_width(feed_forward.is_gated ? 2 * width : width),
        logits(shape.shard_tokens * feed_forward.experts) {
    CHECK(feed_forward.experts % shape.ep == 0, "ep {}, {} experts", shape.ep,
          feed_forward.experts);
  }
  int64_t groups;      // experts that this rank holds
  int64_t local_rows;  // copies of tokens that this rank sends out
  int64_t
      expert_rows;  // rows its experts work on: its tp neighbours' too, under sequence parallelism
  int64_t width;
  int64_t up_width;
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

struct SharedNames {
  std::string up = "shared expert up projection";
  std::string down = "shared expert down projection";
};

void AddSharedForward(RankSteps& steps, const RankShape& shape, const FeedForward& shared) {
  const SharedNames names;
  const int64_t width = shape.Cut(shared.intermediate);
  steps.EnterRegion("shared expert");
  steps.Linear(names.up, shape.tokens, shape.hidden, shared.is_gated ? 2 * width : width);
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
  const int64_t up_width = shared.is_gated ? 2 * width : width;
  steps.LeaveRegionBackward("shared expert");
  steps.LinearInputGradient(names.down, shape.tokens, width, shape.hidden);
  steps.LinearWeightGradient(names.down, shape.tokens, width, shape.hidden);
  steps.ActivationBackward(shared, shape.tokens, width);
  steps.GatherSavedInput("shared expert");
  steps.LinearInputGradient(names.up, shape.tokens, shape.hidden, up_width);
  if (shape.sequence_parallel) {
    steps.EnterRegionBackward("shared expert");
  }
  steps.LinearWeightGradient(names.up, shape.tokens, shape.hidden, up_width);
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
  const double shard = Real(shape.shard_tokens) * Real(shape.hidden);
  const double copies = Real(routing.local_rows) * Real(shape.hidden);
  const double logits = Real(routing.logits);
  const std::string up = mixture.is_gated ? "experts gate-up projection" : "experts up projection";
  PartOfLayer part;

  RankSteps forward(shape, part.forward, StepPart::kForward);
  forward.Norm("feed-forward norm", layer.norm, shape.shard_tokens);
  forward.Linear("router", shape.shard_tokens, shape.hidden, mixture.experts);
  // Softmax and choice in fp32: logits in, probabilities and the choice out.
  forward.MemoryBytes("routing", MemoryBoundKind::kRouting, logits * shape.element,
                      logits * 4.0 + Real(routing.local_rows) * 8.0);
  forward.Memory("permute", MemoryBoundKind::kPermute, copies, copies);
  ExchangeTokens(forward, shape, routing, "dispatch");
  AcrossTensor(forward, shape, routing, "experts all-gather", CollectiveKind::kAllGather);
  forward.Add(up, Experts(shape, routing, routing.up_width, shape.hidden));
  forward.Activation(mixture, routing.expert_rows, routing.width);
  forward.Add("experts down projection", Experts(shape, routing, shape.hidden, routing.width));
  AcrossTensor(forward, shape, routing, "experts reduce-scatter", CollectiveKind::kReduceScatter);
  ExchangeTokens(forward, shape, routing, "combine");
  forward.Memory("unpermute", MemoryBoundKind::kPermute, copies, shard);
  if (has_shared) {
    AddSharedForward(forward, shape, shared);
  }
  if (!shape.sequence_parallel) {
    forward.LeaveRegion("feed-forward");  // one all-reduce for routed and shared experts
  }
  if (norm_after) {
    forward.Norm("feed-forward output norm", layer.norm, shape.shard_tokens);
  }
  forward.ResidualAdd("feed-forward residual", shape.shard_tokens);

  RankSteps backward(shape, part.backward, StepPart::kInputGradient);
  backward.DropoutBackward("feed-forward branch dropout backward", shape.shard_tokens);
  if (norm_after) {
    backward.NormBackward("feed-forward output norm", layer.norm, shape.shard_tokens);
  }
  if (has_shared) {
    AddSharedBackward(backward, shape, shared);
  }
  // Reads the gradient and, for the probabilities' gradient, the experts' outputs.
  backward.Memory("unpermute backward", MemoryBoundKind::kPermute, 2 * copies, copies);
  ExchangeTokens(backward, shape, routing, "combine gradient");
  AcrossTensor(backward, shape, routing, "experts gradient all-gather", CollectiveKind::kAllGather);
  // Gradient of a projection [n, k]: rows of n in, rows of k out.
  backward.Add("experts down projection dgrad",
               Experts(shape, routing, routing.width, shape.hidden));
  AddExpertWeightGradient(backward, shape, routing, "experts down projection", shape.hidden,
                          routing.width);
  backward.ActivationBackward(mixture, routing.expert_rows, routing.width);
  backward.Add(up + " dgrad", Experts(shape, routing, shape.hidden, routing.up_width));
  AddExpertWeightGradient(backward, shape, routing, up, routing.up_width, shape.hidden);
  AcrossTensor(backward, shape, routing, "experts gradient reduce-scatter",
               CollectiveKind::kReduceScatter);
  ExchangeTokens(backward, shape, routing, "dispatch gradient");
  backward.Memory("permute backward", MemoryBoundKind::kPermute, copies, shard);
  if (!shape.sequence_parallel) {
    backward.EnterRegionBackward("feed-forward", /*before_weight_gradient=*/false);
  }
  backward.MemoryBytes("routing backward", MemoryBoundKind::kRouting,
                       logits * 4.0 + Real(routing.local_rows) * 8.0, logits * shape.element);
  backward.LinearInputGradient("router", shape.shard_tokens, shape.hidden, mixture.experts);
  backward.LinearWeightGradient("router", shape.shard_tokens, shape.hidden, mixture.experts);
  backward.NormBackward("feed-forward norm", layer.norm, shape.shard_tokens);

  // Input of the norm, of router and permutation; probabilities in fp32; the experts' input, what
  // their activation needs, the input of their second projection; their output as it came back, for
  // the gradient of the probabilities.
  const bool is_unfused = mixture.is_gated && !shape.framework.fusion.swiglu;
  const auto width_of = [&](int64_t up_width, int64_t width) {
    return up_width + width + (is_unfused ? width : 0);
  };
  part.saved = (norm_after ? 3.0 : 2.0) * shape.Activation(shape.shard_tokens, shape.hidden) +
               shape.DropoutMask(shape.shard_tokens) + Bytes::FromBase(logits * 4.0) +
               shape.Activation(routing.expert_rows,
                                shape.hidden + width_of(routing.up_width, routing.width)) +
               shape.Activation(routing.local_rows, shape.hidden);
  if (has_shared) {
    const int64_t width = shape.Cut(shared.intermediate);
    part.saved +=
        shape.Activation(shape.tokens, width_of(shared.is_gated ? 2 * width : width, width));
  }
  return part;
}

}  // namespace ridgeline::workloads

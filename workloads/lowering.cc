#include "workloads/lowering.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "workloads/rank_steps.h"
#include "workloads/recompute.h"

namespace ridgeline::workloads {
namespace {

int64_t NumParts(const Layer& layer) {
  return (layer.mixer.kind != MixerKind::kNone ? 1 : 0) +
         (layer.feed_forward.kind != FeedForwardKind::kNone ? 1 : 0);
}

Result<PartOfLayer> LowerMixer(const RankShape& shape, const Layer& layer, bool norm_after) {
  switch (layer.mixer.kind) {
    case MixerKind::kAttention:
      return LowerAttention(shape, layer, norm_after);
    case MixerKind::kLatentAttention:
      return LowerLatentAttention(shape, layer);
    case MixerKind::kMamba2:
      return Unimplemented("training of Mamba-2 layers: " + shape.model.model_type);
    case MixerKind::kLinearAttention:
      return Unimplemented("training of linear-attention layers: " + shape.model.model_type);
    case MixerKind::kNone:
      break;
  }
  return PartOfLayer{};
}

Result<PartOfLayer> LowerWidthwise(const RankShape& shape, const Layer& layer, bool norm_after) {
  switch (layer.feed_forward.kind) {
    case FeedForwardKind::kDense:
      return LowerFeedForward(shape, layer, norm_after);
    case FeedForwardKind::kMixture:
      return LowerMixture(shape, layer, norm_after);
    case FeedForwardKind::kNone:
      break;
  }
  return PartOfLayer{};
}

void Append(std::vector<Step>& to, const std::vector<Step>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

/// Gradients of the layer's input and output, and the widest moment within a part. The mixer's
/// backward begins when the feed-forward has given back what it kept.
Bytes TransientOf(const RankShape& shape, const PartOfLayer& mixer,
                  const PartOfLayer& feed_forward) {
  const Bytes later =
      feed_forward.saved < mixer.transient ? mixer.transient - feed_forward.saved : Bytes{};
  return 2.0 * shape.Activation(shape.shard_tokens, shape.hidden) +
         std::max(feed_forward.transient, later);
}

}  // namespace

namespace {

struct Parts {
  PartOfLayer mixer;
  PartOfLayer feed_forward;
  RankParameters adapters;
  Flops added;  // by adapters, less what frozen matrices save
};

/// FLOPs of the products with weights.
Flops ProductFlops(const PartOfLayer& part) {
  Flops flops;
  for (const std::vector<Step>* pass : {&part.forward, &part.backward}) {
    for (const Step& step : *pass) {
      if (const auto* operation = std::get_if<Operation>(&step.work)) {
        const bool is_product = std::holds_alternative<Gemm>(*operation) ||
                                std::holds_alternative<GroupedGemm>(*operation);
        flops += is_product ? FlopsOf(*operation) : Flops{};
      }
    }
  }
  return flops;
}

Result<Parts> LowerParts(const LoweringRequest& request, const RankShape& shape,
                         const Layer& layer) {
  if (layer.extra_parameters > 0) {
    return Unimplemented("training of layers that replace a part by a plain matrix: " +
                         shape.model.model_type);
  }
  const bool norm_after = layer.norms >= 2 * NumParts(layer) && NumParts(layer) > 0;
  Parts parts;
  ASSIGN_OR_RETURN(parts.mixer, LowerMixer(shape, layer, norm_after));
  ASSIGN_OR_RETURN(parts.feed_forward, LowerWidthwise(shape, layer, norm_after));
  if (request.lora.rank > 0) {
    const Flops before = ProductFlops(parts.mixer) + ProductFlops(parts.feed_forward);
    Freeze(shape, request.lora.attention ? request.lora.rank : 0, parts.mixer, parts.adapters);
    Freeze(shape, request.lora.feed_forward ? request.lora.rank : 0, parts.feed_forward,
           parts.adapters);
    parts.added = ProductFlops(parts.mixer) + ProductFlops(parts.feed_forward) - before;
  }
  return parts;
}

}  // namespace

Result<std::vector<RecomputeModule>> RecomputableModules(const LoweringRequest& request,
                                                         const Layer& layer) {
  RETURN_IF_ERROR(CheckLowering(request));
  ASSIGN_OR_RETURN(const Parts parts, LowerParts(request, RankShape(request), layer));
  return ModulesOf({.mixer = &parts.mixer, .feed_forward = &parts.feed_forward});
}

Result<LoweredLayer> LowerLayer(const LoweringRequest& request, const Layer& layer) {
  RETURN_IF_ERROR(CheckLowering(request));
  const RankShape shape(request);
  ASSIGN_OR_RETURN(const Parts parts, LowerParts(request, shape, layer));
  const PartOfLayer& mixer = parts.mixer;
  const PartOfLayer& feed_forward = parts.feed_forward;

  LoweredLayer lowered;
  lowered.forward = mixer.forward;
  Append(lowered.forward, feed_forward.forward);
  lowered.backward = feed_forward.backward;
  Append(lowered.backward, mixer.backward);
  lowered.saved_activations = mixer.saved + feed_forward.saved;
  lowered.recompute_buffer = TransientOf(shape, mixer, feed_forward);
  ApplyRecompute(request, shape, {.mixer = &mixer, .feed_forward = &feed_forward}, lowered);
  lowered.model_flops = Flops::FromBase(
      static_cast<double>(shape.tokens) *
      LayerTrainingFlopsPerToken(shape.model, layer, shape.sequence, /*causal=*/true) /
      static_cast<double>(shape.tp));
  lowered.model_flops += parts.added;
  lowered.adapters = parts.adapters;
  return lowered;
}

RankParameters ParametersOnRank(const Model& model, const Layer& layer, const Layout& layout) {
  const LayerParameters count = CountParameters(model, layer);
  const auto tp = static_cast<double>(layout.tp);
  return {.dense = static_cast<double>(count.mixer + count.dense) / tp +
                   static_cast<double>(count.replicated),
          .experts = static_cast<double>(count.experts) /
                     static_cast<double>(layout.expert_tp() * layout.ep)};
}

}  // namespace ridgeline::workloads

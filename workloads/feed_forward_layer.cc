// The dense feed-forward of one rank: its width is divided by tp (arXiv:1909.08053, section 3).
#include <algorithm>

#include "workloads/rank_steps.h"

namespace ridgeline::workloads {

Result<PartOfLayer> LowerFeedForward(const RankShape& shape, const Layer& layer, bool norm_after) {
  const FeedForward& feed_forward = layer.feed_forward;
  const int64_t width = shape.Cut(feed_forward.intermediate);
  const bool has_bias = feed_forward.has_bias;
  const Products up = ProductsOf(
      shape.framework.fusion.gate_up, "gate-up projection",
      {{.name = "gate projection", .out = feed_forward.is_gated ? width : 0, .has_bias = has_bias},
       {.name = "up projection", .out = width, .has_bias = has_bias}});
  const Products down{
      .list = {{.name = "down projection", .out = shape.hidden, .has_bias = has_bias}}};
  const int64_t tokens = shape.tokens;
  PartOfLayer part;

  RankSteps forward(shape, part.forward, StepPart::kForward);
  forward.NormOfProducts("feed-forward norm", layer.norm);
  part.AddPiece(RecomputeModule::kNorm, 0, shape.OutputOfNorm(layer.norm, shape.shard_tokens));
  const size_t whole = part.forward.size();
  forward.EnterRegion("feed-forward", forward.NormQuantizes());
  forward.Linears(up, tokens, shape.hidden);
  const size_t activation = part.forward.size();
  forward.ActivationOfProduct(feed_forward, tokens, width);
  part.AddPiece(RecomputeModule::kActivation, activation,
                shape.OutputOfActivation(feed_forward, tokens, width));
  forward.Linears(down, tokens, width);
  forward.LeaveRegion("feed-forward");
  part.AddPiece(RecomputeModule::kFeedForward, whole,
                shape.SavedByActivation(feed_forward, tokens, width));
  if (norm_after) {
    forward.Norm("feed-forward output norm", layer.norm, shape.shard_tokens);
  }
  forward.ResidualAdd("feed-forward residual", shape.shard_tokens);

  RankSteps backward(shape, part.backward, StepPart::kInputGradient);
  backward.DropoutBackward("feed-forward branch dropout backward", shape.shard_tokens);
  if (norm_after) {
    backward.NormBackward("feed-forward output norm", layer.norm, shape.shard_tokens, false);
  }
  backward.LeaveRegionBackward("feed-forward");
  backward.LinearsInputGradient(down, tokens, width);
  backward.QuantizeSavedInput("down projection", tokens, width);
  backward.LinearsWeightGradient(down, tokens, width);
  backward.ActivationBackward(feed_forward, tokens, width);
  for (const Products::Product& product : up.list) {
    backward.QuantizeGradient(product.name, tokens, product.out);
  }
  backward.GatherSavedInput("feed-forward");
  backward.LinearsInputGradient(up, tokens, shape.hidden);
  backward.EnterRegionBackward("feed-forward");
  backward.LinearsWeightGradient(up, tokens, shape.hidden);
  backward.NormBackward("feed-forward norm", layer.norm, shape.shard_tokens);

  // What norm and activation keep, with the inputs of both projections; a norm after the part keeps
  // its input.
  part.saved = shape.SavedByNorm(layer.norm, shape.shard_tokens) +
               shape.DropoutMask(shape.shard_tokens) +
               shape.SavedByActivation(feed_forward, tokens, width);
  if (norm_after) {
    part.saved += shape.Saved(shape.NormRecipe(layer.norm), shape.shard_tokens, shape.hidden);
  }
  const double matrices = feed_forward.is_gated ? 3.0 : 2.0;
  part.transient = std::max(
      shape.Transient(shape.ActivationRecipe(feed_forward), tokens, width),
      shape.LateInFeedForward(
          matrices * static_cast<double>(width) * static_cast<double>(shape.hidden),
          shape.Activation(tokens, width), shape.Activation(tokens, shape.hidden), part.saved));
  return part;
}

}  // namespace ridgeline::workloads

// The dense feed-forward of one rank: its width is divided by tp (arXiv:1909.08053, section 3).
#include "workloads/rank_steps.h"

namespace ridgeline::workloads {

Result<PartOfLayer> LowerFeedForward(const RankShape& shape, const Layer& layer, bool norm_after) {
  const FeedForward& feed_forward = layer.feed_forward;
  const int64_t width = shape.Cut(feed_forward.intermediate);
  const int64_t up_width = feed_forward.is_gated ? 2 * width : width;
  const std::string up = feed_forward.is_gated ? "gate-up projection" : "up projection";
  const int64_t tokens = shape.tokens;
  PartOfLayer part;

  RankSteps forward(shape, part.forward, StepPart::kForward);
  forward.Norm("feed-forward norm", layer.norm, shape.shard_tokens);
  forward.EnterRegion("feed-forward");
  forward.Linear(up, tokens, shape.hidden, up_width);
  forward.Activation(feed_forward, tokens, width);
  forward.Linear("down projection", tokens, width, shape.hidden);
  forward.LeaveRegion("feed-forward");
  if (norm_after) {
    forward.Norm("feed-forward output norm", layer.norm, shape.shard_tokens);
  }
  forward.ResidualAdd("feed-forward residual", shape.shard_tokens);

  RankSteps backward(shape, part.backward, StepPart::kInputGradient);
  backward.DropoutBackward("feed-forward branch dropout backward", shape.shard_tokens);
  if (norm_after) {
    backward.NormBackward("feed-forward output norm", layer.norm, shape.shard_tokens);
  }
  backward.LeaveRegionBackward("feed-forward");
  backward.LinearInputGradient("down projection", tokens, width, shape.hidden);
  backward.LinearWeightGradient("down projection", tokens, width, shape.hidden);
  backward.ActivationBackward(feed_forward, tokens, width);
  backward.GatherSavedInput("feed-forward");
  backward.LinearInputGradient(up, tokens, shape.hidden, up_width);
  backward.EnterRegionBackward("feed-forward");
  backward.LinearWeightGradient(up, tokens, shape.hidden, up_width);
  backward.NormBackward("feed-forward norm", layer.norm, shape.shard_tokens);

  // Input of the norm and of the projection; what the activation needs; input of the second
  // projection. An unfused gate keeps the activation's output as well.
  const bool is_unfused = feed_forward.is_gated && !shape.framework.fusion.swiglu;
  part.saved = (norm_after ? 3.0 : 2.0) * shape.Activation(shape.shard_tokens, shape.hidden) +
               shape.DropoutMask(shape.shard_tokens) +
               shape.Activation(tokens, up_width + width + (is_unfused ? width : 0));
  return part;
}

}  // namespace ridgeline::workloads

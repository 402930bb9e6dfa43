#include "workloads/next_token_layer.h"

#include <algorithm>
#include <utility>

#include "workloads/rank_steps.h"

namespace ridgeline::workloads {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }

void Append(std::vector<Step>& to, std::vector<Step> from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

/// Both normalised states side by side, projected: [tokens, 2h] x [2h, h]; tp cuts the columns, and
/// the result is gathered, or each rank takes its own tokens of it.
PartOfLayer LowerJoin(const RankShape& shape, NormKind norm, const LoweringRequest& request,
                      LoweredLayer embedding) {
  const int64_t shard = shape.shard_tokens;
  const int64_t out = shape.Cut(shape.hidden);
  const double joined = 2 * Real(shard) * Real(shape.hidden);
  const bool is_cut = request.layout.tp > 1;
  PartOfLayer part;
  part.forward = std::move(embedding.forward);
  RankSteps forward(shape, part.forward, StepPart::kForward);
  forward.Norm("next-token embedding norm", norm, shard);
  forward.Norm("next-token state norm", norm, shard);
  forward.Memory("next-token join", MemoryBoundKind::kCopy, joined, joined);
  const auto across = [&](RankSteps& steps, std::string name, CollectiveKind kind, double widths) {
    steps.Collect(std::move(name), kind, widths * shape.Boundary(), Axis::kTensor);
  };
  if (shape.sequence_parallel) {
    across(forward, "next-token all-gather", CollectiveKind::kAllGather, 2);
  }
  forward.QuantizeInput("next-token", shape.tokens, 2 * shape.hidden);
  forward.Linear("next-token projection", shape.tokens, 2 * shape.hidden, out);
  if (is_cut) {
    across(forward, "next-token output all-gather", CollectiveKind::kAllGather, 1);
  }

  RankSteps backward(shape, part.backward, StepPart::kInputGradient);
  if (shape.sequence_parallel) {
    across(backward, "next-token output gradient all-gather", CollectiveKind::kAllGather, 1);
    across(backward, "next-token saved input all-gather", CollectiveKind::kAllGather, 2);
  }
  backward.QuantizeGradient("next-token projection", shape.tokens, out);
  backward.LinearInputGradient("next-token projection", shape.tokens, 2 * shape.hidden, out);
  if (is_cut) {
    across(backward, "next-token gradient reduction",
           shape.sequence_parallel ? CollectiveKind::kReduceScatter : CollectiveKind::kAllReduce,
           2);
  }
  backward.QuantizeSavedInput("next-token projection", shape.tokens, 2 * shape.hidden);
  backward.LinearWeightGradient("next-token projection", shape.tokens, 2 * shape.hidden, out);
  backward.Memory("next-token join backward", MemoryBoundKind::kCopy, joined, joined);
  backward.NormBackward("next-token state norm", norm, shard);
  backward.NormBackward("next-token embedding norm", norm, shard, /*is_fork=*/false);
  Append(part.backward, std::move(embedding.backward));
  if (request.lora.rank > 0) {
    std::erase_if(part.backward,
                  [](const Step& step) { return step.part == StepPart::kWeightGradient; });
  }
  // Both norms' inputs, and the joined results.
  part.saved = embedding.saved_activations +
               2.0 * shape.Saved(shape.NormRecipe(norm), shard, shape.hidden) +
               shape.Activation(shard, 2 * shape.hidden);
  part.transient = shape.Activation(shape.tokens, 2 * shape.hidden);
  return part;
}

}  // namespace

Result<LoweredLayer> LowerNextTokenLayer(const LoweringRequest& request, const Layer& layer) {
  ASSIGN_OR_RETURN(LoweredLayer embedding, LowerEmbedding(request));
  ASSIGN_OR_RETURN(LoweredLayer lowered, LowerLayer(request, layer));
  ASSIGN_OR_RETURN(LoweredLayer head, LowerHead(request));
  const RankShape shape(request);
  PartOfLayer join = LowerJoin(shape, layer.norm, request, std::move(embedding));

  const Bytes saved = join.saved + lowered.saved_activations + head.saved_activations;
  // Parts go from the top, each with its buffer, while those above have given back what they kept.
  const Bytes buffer =
      std::max({head.recompute_buffer, lowered.recompute_buffer - head.saved_activations,
                join.transient - head.saved_activations - lowered.saved_activations});
  LoweredLayer whole;
  whole.forward = std::move(join.forward);
  Append(whole.forward, std::move(lowered.forward));
  Append(whole.forward, std::move(head.forward));
  whole.backward = std::move(head.backward);
  Append(whole.backward, std::move(lowered.backward));
  Append(whole.backward, std::move(join.backward));
  whole.saved_activations = saved;
  whole.recompute_buffer = buffer;
  whole.model_flops = lowered.model_flops + head.model_flops +
                      Flops::FromBase((request.lora.rank > 0 ? 4.0 : 6.0) * Real(shape.tokens) * 2 *
                                      Real(shape.hidden) * Real(shape.Cut(shape.hidden)));
  whole.adapters = lowered.adapters;
  return whole;
}

RankParameters NextTokenParametersOnRank(const Model& model, const Layer& layer,
                                         const Layout& layout) {
  RankParameters parameters = ParametersOnRank(model, layer, layout);
  const auto hidden = Real(model.hidden);
  const double vectors = layer.norm == NormKind::kLayerNorm ? 2.0 : 1.0;
  parameters.dense += 2 * hidden * hidden / Real(layout.tp) + 3 * vectors * hidden;
  return parameters;
}

}  // namespace ridgeline::workloads

// The two ends of a decoder: token embedding and output projection, both cut along the vocabulary
// by tp (arXiv:1909.08053, section 3).
#include <algorithm>

#include "workloads/rank_steps.h"

namespace ridgeline::workloads {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }

/// Rows of the vocabulary on one rank; the last rank's are padded.
int64_t VocabularyOnRank(int64_t vocabulary, int64_t tp) { return (vocabulary + tp - 1) / tp; }

/// One word table at both ends, on the only stage.
bool SharesTable(const LoweringRequest& request) {
  return request.model->has_tied_embeddings && request.layout.pp == 1;
}

}  // namespace

Result<LoweredLayer> LowerEmbedding(const LoweringRequest& request) {
  RETURN_IF_ERROR(CheckLowering(request));
  const RankShape shape = RankShape(request).WithoutFp8();
  const Recipes& recipes = shape.framework.recipes;
  const RecipeExtent rows =
      shape.Extent(Real(shape.tokens) * Real(shape.hidden), Real(shape.tokens));
  const double table = Real(VocabularyOnRank(shape.model.vocabulary, shape.tp));
  LoweredLayer lowered;

  RankSteps forward(shape, lowered.forward, StepPart::kForward);
  forward.Run("token embedding", recipes.embedding.forward, rows, MemoryBoundKind::kEmbedding);
  forward.LeaveRegion("embedding");
  if (shape.model.has_learned_positions) {
    const double shard = Real(shape.shard_tokens) * Real(shape.hidden);
    forward.Memory("position embedding", MemoryBoundKind::kResidualAdd, 2 * shard, shard);
  }
  if (shape.framework.dropout) {
    const Bytes shard = shape.Activation(shape.shard_tokens, shape.hidden);
    forward.MemoryBytes("embedding dropout", MemoryBoundKind::kDropout, shard.base(),
                        (shard + shape.DropoutMask(shape.shard_tokens)).base());
  }
  RankSteps backward(shape, lowered.backward, StepPart::kWeightGradient);
  backward.DropoutBackward("embedding dropout backward", shape.shard_tokens);
  backward.LeaveRegionBackward("embedding");
  backward.Run("token embedding wgrad", recipes.embedding.backward, rows,
               MemoryBoundKind::kEmbedding);
  backward.Run("token embedding table wgrad", recipes.embedding_table.backward,
               shape.Extent(table * Real(shape.hidden), table), MemoryBoundKind::kCopy);
  const bool is_tied =
      SharesTable(request) && shape.framework.gradients == GradientBuffers::kOnDemand;
  if (is_tied) {
    backward.Run("word table gradient sum", recipes.tied_table.backward,
                 shape.Extent(table * Real(shape.hidden), table), MemoryBoundKind::kResidualAdd);
  }

  if (request.lora.rank > 0) {
    lowered.backward.clear();  // frozen, and nothing below it
    lowered.saved_activations = {};
    return lowered;
  }
  // Token ids, and the mask.
  lowered.saved_activations =
      recipes.embedding.saved.BytesOf(rows) + shape.DropoutMask(shape.shard_tokens);
  const int64_t table_rows = VocabularyOnRank(shape.model.vocabulary, shape.tp);
  lowered.recompute_buffer = shape.Transient(recipes.embedding_table, table_rows, shape.hidden);
  if (is_tied && shape.MakesGradientsOnce()) {
    // The head made its gradient of the table before.
    lowered.recompute_buffer += shape.GradientBytes(Real(table_rows) * Real(shape.hidden)) +
                                shape.Transient(recipes.tied_table, table_rows, shape.hidden);
  }
  return lowered;
}

Result<LoweredLayer> LowerHead(const LoweringRequest& request) {
  RETURN_IF_ERROR(CheckLowering(request));
  const RankShape shape = RankShape(request).WithoutFp8();
  const NormKind norm =
      shape.model.kinds.empty() ? NormKind::kRmsNorm : shape.model.kinds.front().norm;
  const int64_t vocabulary = VocabularyOnRank(shape.model.vocabulary, shape.tp);
  const int64_t tokens = shape.tokens;
  const RecipeExtent logits = shape.Extent(Real(tokens) * Real(vocabulary), Real(tokens));
  const Recipe& loss = shape.framework.recipes.loss;
  const Bytes per_token = Bytes::FromBase(4.0 * Real(tokens));
  LoweredLayer lowered;

  RankSteps forward(shape, lowered.forward, StepPart::kForward);
  forward.Norm("final norm", norm, shape.shard_tokens);
  forward.EnterRegion("head");
  forward.Linear("output embedding", tokens, shape.hidden, vocabulary);
  forward.Run("cross-entropy", loss.forward, logits, MemoryBoundKind::kCrossEntropy);
  if (shape.tp > 1) {
    // Maximum, the target's logit, sum of exponentials: one number a token each.
    const auto reduce = [&](std::string name, double values) {
      forward.Collect(std::move(name), CollectiveKind::kAllReduce, values * per_token,
                      Axis::kTensor, DType::kFp32, StepPart::kForward);
    };
    reduce("loss maximum all-reduce", 1);
    if (loss.forward.size() == 1) {
      reduce("loss sums all-reduce", 2);
    } else {
      reduce("loss target all-reduce", 1);
      reduce("loss sum all-reduce", 1);
    }
  }

  RankSteps backward(shape, lowered.backward, StepPart::kInputGradient);
  backward.Run("cross-entropy backward", loss.backward, logits, MemoryBoundKind::kCrossEntropy);
  backward.GatherSavedInput("head");
  backward.LinearInputGradient("output embedding", tokens, shape.hidden, vocabulary);
  backward.EnterRegionBackward("head");
  backward.LinearWeightGradient("output embedding", tokens, shape.hidden, vocabulary);
  backward.NormBackward("final norm", norm, shape.shard_tokens, /*is_fork=*/false);

  // What norm and loss keep (fp32 softmax and the norm's input and output: Megatron's
  // theoretical_memory_usage.py, 4sbh(1 + V/h)).
  lowered.saved_activations =
      shape.SavedByNorm(norm, shape.shard_tokens) + loss.saved.BytesOf(logits);
  lowered.recompute_buffer = loss.transient.BytesOf(logits);
  if (shape.MakesGradientsOnce() && !SharesTable(request)) {
    // The table's gradient is made while the logits' is there; what the loss kept is given back.
    const Bytes products = shape.Activation(tokens, vocabulary) +
                           shape.GradientBytes(Real(vocabulary) * Real(shape.hidden));
    lowered.recompute_buffer =
        std::max(lowered.recompute_buffer, products - loss.saved.BytesOf(logits));
  }
  lowered.model_flops = Flops::FromBase(6.0 * Real(tokens) * Real(shape.hidden) *
                                        Real(shape.model.vocabulary) / Real(shape.tp));
  if (request.lora.rank > 0) {
    std::erase_if(lowered.backward,
                  [](const Step& step) { return step.part == StepPart::kWeightGradient; });
    lowered.model_flops = 2.0 / 3.0 * lowered.model_flops;
    lowered.saved_activations -= shape.OutputOfNorm(norm, shape.shard_tokens);
    lowered.recompute_buffer = loss.transient.BytesOf(logits);
  }
  return lowered;
}

}  // namespace ridgeline::workloads

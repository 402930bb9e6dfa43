// The two ends of a decoder: token embedding and output projection, both cut along the vocabulary
// by tp (arXiv:1909.08053, section 3).
#include "workloads/rank_steps.h"

namespace ridgeline::workloads {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }

/// Rows of the vocabulary on one rank; the last rank's are padded.
int64_t VocabularyOnRank(int64_t vocabulary, int64_t tp) { return (vocabulary + tp - 1) / tp; }

}  // namespace

Result<LoweredLayer> LowerEmbedding(const LoweringRequest& request) {
  RETURN_IF_ERROR(CheckLowering(request));
  const RankShape shape(request);
  const double size = Real(shape.tokens) * Real(shape.hidden);
  const double gradient = BytesPerElement(shape.framework.dtypes.gradients).base();
  LoweredLayer lowered;

  RankSteps forward(shape, lowered.forward, StepPart::kForward);
  forward.Memory("token embedding", MemoryBoundKind::kEmbedding, size, size, shape.tokens);
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
  // Rows of the table are read and added to, one a token.
  backward.MemoryBytes("token embedding wgrad", MemoryBoundKind::kEmbedding,
                       size * (shape.element + gradient), size * gradient);

  // Token ids in int64, and the mask.
  lowered.saved_activations =
      Bytes::FromBase(8.0 * Real(shape.tokens)) + shape.DropoutMask(shape.shard_tokens);
  return lowered;
}

Result<LoweredLayer> LowerHead(const LoweringRequest& request) {
  RETURN_IF_ERROR(CheckLowering(request));
  const RankShape shape(request);
  const NormKind norm =
      shape.model.kinds.empty() ? NormKind::kRmsNorm : shape.model.kinds.front().norm;
  const int64_t vocabulary = VocabularyOnRank(shape.model.vocabulary, shape.tp);
  const int64_t tokens = shape.tokens;
  const double logits = Real(tokens) * Real(vocabulary);
  const bool is_fused = shape.framework.fusion.cross_entropy;
  const Bytes per_token = Bytes::FromBase(4.0 * Real(tokens));
  LoweredLayer lowered;

  RankSteps forward(shape, lowered.forward, StepPart::kForward);
  forward.Norm("final norm", norm, shape.shard_tokens);
  forward.EnterRegion("head");
  forward.Linear("output embedding", tokens, shape.hidden, vocabulary);
  if (is_fused) {
    // Logits in, softmax in fp32 out.
    forward.MemoryBytes("cross-entropy", MemoryBoundKind::kCrossEntropy, logits * shape.element,
                        logits * 4.0, tokens);
  } else {
    // Cast to fp32; maximum; subtraction; exponential; sum; quotient: one pass each
    // (NVIDIA/Megatron-LM megatron/core/tensor_parallel/cross_entropy.py).
    forward.MemoryBytes("logits cast", MemoryBoundKind::kCast, logits * shape.element,
                        logits * 4.0);
    forward.MemoryBytes("cross-entropy", MemoryBoundKind::kCrossEntropy, logits * 4.0 * 5,
                        logits * 4.0 * 3);
  }
  if (shape.tp > 1) {
    // Maximum, the target's logit, sum of exponentials: one number a token each.
    const auto reduce = [&](std::string name, double values) {
      forward.Collect(std::move(name), CollectiveKind::kAllReduce, values * per_token,
                      Axis::kTensor, DType::kFp32, StepPart::kForward);
    };
    reduce("loss maximum all-reduce", 1);
    if (is_fused) {
      reduce("loss sums all-reduce", 2);
    } else {
      reduce("loss target all-reduce", 1);
      reduce("loss sum all-reduce", 1);
    }
  }

  RankSteps backward(shape, lowered.backward, StepPart::kInputGradient);
  backward.MemoryBytes("cross-entropy backward", MemoryBoundKind::kCrossEntropy, logits * 4.0,
                       logits * (is_fused ? shape.element : 4.0), tokens);
  if (!is_fused) {
    backward.MemoryBytes("logits gradient cast", MemoryBoundKind::kCast, logits * 4.0,
                         logits * shape.element);
  }
  backward.GatherSavedInput("head");
  backward.LinearInputGradient("output embedding", tokens, shape.hidden, vocabulary);
  backward.EnterRegionBackward("head");
  backward.LinearWeightGradient("output embedding", tokens, shape.hidden, vocabulary);
  backward.NormBackward("final norm", norm, shape.shard_tokens);

  // Input of norm and projection, softmax in fp32 (Megatron's theoretical_memory_usage.py: 4sbh(1 +
  // V/h)); unfused, the logits in compute precision stay alive beside it.
  lowered.saved_activations = 2.0 * shape.Activation(shape.shard_tokens, shape.hidden) +
                              Bytes::FromBase(logits * (is_fused ? 4.0 : 4.0 + shape.element));
  // The gradient of the logits: fused, in compute precision; unfused, in fp32 and again cast.
  lowered.recompute_buffer =
      Bytes::FromBase(logits * (is_fused ? shape.element : 4.0 + shape.element));
  lowered.model_flops = Flops::FromBase(6.0 * Real(tokens) * Real(shape.hidden) *
                                        Real(shape.model.vocabulary) / Real(shape.tp));
  return lowered;
}

}  // namespace ridgeline::workloads

#include "workloads/naive_attention.h"

namespace ridgeline::workloads {
namespace {

/// [m, k] x [k, n] for every head of every sequence. Grouped keys and values are repeated first.
Gemm Product(const Attention& core, int64_t m, int64_t n, int64_t k) {
  return {.m = m,
          .n = n,
          .k = k,
          .batch = core.batch * core.heads,
          .dtype = core.dtype,
          .output_dtype = core.dtype};
}

int64_t ValueDim(const Attention& core) {
  return core.v_head_dim > 0 ? core.v_head_dim : core.head_dim;
}

/// Bytes of one square of scores for all heads, in the element type.
double ScoreBytes(const Attention& core, double element) {
  return static_cast<double>(core.batch * core.heads) * static_cast<double>(core.q_len) *
         static_cast<double>(core.kv_len) * element;
}

}  // namespace

void AddNaiveAttention(RankSteps& steps, const RankShape& shape, const Attention& core) {
  const double scores = ScoreBytes(core, shape.element);
  steps.Add("attention scores", Product(core, core.q_len, core.kv_len, core.head_dim));
  steps.MemoryBytes("attention softmax", MemoryBoundKind::kSoftmax, scores, scores);
  if (shape.framework.dropout) {
    // A byte of mask an element.
    steps.MemoryBytes("attention dropout", MemoryBoundKind::kDropout, scores,
                      ScoreBytes(core, shape.element + 1));
  }
  steps.Add("attention values", Product(core, core.q_len, ValueDim(core), core.kv_len));
}

void AddNaiveAttentionBackward(RankSteps& steps, const RankShape& shape, const Attention& core) {
  const double scores = ScoreBytes(core, shape.element);
  steps.Add("attention probabilities dgrad",
            Product(core, core.q_len, core.kv_len, ValueDim(core)));
  steps.Add("attention values dgrad", Product(core, core.kv_len, ValueDim(core), core.q_len));
  if (shape.framework.dropout) {
    steps.MemoryBytes("attention dropout backward", MemoryBoundKind::kDropout,
                      ScoreBytes(core, shape.element + 1), scores);
  }
  steps.MemoryBytes("attention softmax backward", MemoryBoundKind::kSoftmax, 2 * scores, scores);
  steps.Add("attention queries dgrad", Product(core, core.q_len, core.head_dim, core.kv_len));
  steps.Add("attention keys dgrad", Product(core, core.kv_len, core.head_dim, core.q_len));
}

}  // namespace ridgeline::workloads

/// Attention whose scores are written to memory, kernel by kernel, as frameworks ran it before
/// fused kernels: two batched products, a softmax that scales and masks, and dropout of its result
/// (NVIDIA/Megatron-LM v2.5 megatron/model/transformer.py, CoreAttention; its softmax is one
/// kernel, megatron/fused_kernels/scaled_upper_triang_masked_softmax.h). Each product writes or
/// reads the whole square, masked or not.
#pragma once

#include "base/operation.h"
#include "workloads/rank_steps.h"

namespace ridgeline::workloads {

/// Scores, their softmax, its dropout where the framework has one, and the product with the values.
void AddNaiveAttention(RankSteps& steps, const RankShape& shape, const Attention& core);

/// Gradients of values, probabilities, scores, queries and keys.
void AddNaiveAttentionBackward(RankSteps& steps, const RankShape& shape, const Attention& core);

}  // namespace ridgeline::workloads

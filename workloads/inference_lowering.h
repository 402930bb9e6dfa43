/// One forward pass of inference -> operations of one rank, under tensor parallelism (experts too:
/// expert parallelism is not built). A pass computes `tokens` new tokens at once, whatever
/// sequences they belong to: matrices, norms and collectives see only their number; attention sees
/// each sequence. So a pass is lowered in two parts, which callers cost apart and add.
///
/// Formulas: Pope et al., arXiv:2211.05102 (inference under tensor parallelism); KV heads fewer
/// than tp are replicated as vLLM does.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/operation.h"
#include "base/result.h"
#include "workloads/framework.h"
#include "workloads/lowering.h"
#include "workloads/model.h"

namespace ridgeline::workloads {

struct InferenceSettings {
  const Model* model = nullptr;
  Fusion fusion;
  Recipes recipes;
  AttentionChoice attention = AttentionChoice::kFlash;
  AttentionChoice decode_attention = AttentionChoice::kFlash;
  int64_t tp = 1;
  int64_t gpus_per_node = 8;
  DType weights = DType::kBf16;   // and computation
  DType kv_cache = DType::kBf16;  // as stored
};

/// A step of a pass, done `count` times (once a layer of its kind). Collectives are along the
/// tensor axis.
struct RepeatedStep {
  std::string name;  // "qkv projection"
  std::variant<Operation, AxisCollective> work;
  int64_t count = 1;
};

/// Everything but attention itself, for `tokens` tokens of which `sampled` go through the output
/// head: embedding, norms, projections, rotary, KV writes, feed-forward or experts, all-reduces,
/// head, sampling. The two add up: `tokens` 0 gives the head alone, `sampled` 0 everything else.
/// UNIMPLEMENTED, with the layer's kind, for mixers that are not modelled.
Result<std::vector<RepeatedStep>> LowerTokens(const InferenceSettings& settings, int64_t tokens,
                                              int64_t sampled);

/// OK, or which part of the model or of the settings inference does not model yet.
Status CheckInference(const InferenceSettings& settings);

/// Experts of one layer that `tokens` tokens touch, so whose weights are read: E (1 - (1 - k/E)^t)
/// expected when every token picks k of E evenly and independently.
int64_t ExpertsTouched(const FeedForward& mixture, int64_t tokens);

/// KV heads that one rank holds: kv_heads / tp, or one that tp / kv_heads ranks hold alike.
int64_t KvHeadsOnRank(const Mixer& mixer, int64_t tp);
/// Rows of the vocabulary on one rank: padded to a multiple of 64, then cut
/// (vllm-project/vllm vllm/model_executor/layers/vocab_parallel_embedding.py).
int64_t VocabularyRowsOnRank(const Model& model, int64_t tp);

/// Attention of `sequences` sequences that each compute `tokens` new tokens over `context` tokens
/// (the new ones included). kDecode: tokens is 1.
Result<std::vector<RepeatedStep>> LowerAttention(const InferenceSettings& settings,
                                                 AttentionPhase phase, int64_t sequences,
                                                 int64_t tokens, int64_t context);

/// Activations alive at the widest point of a layer when a rank computes `tokens` tokens: the
/// residual stream, a part's input and output, and queries, keys, values or the feed-forward's
/// intermediate (twice for a gate, and their product; for experts once a copy). Nothing is kept
/// between layers.
Bytes LayerActivationBytes(const InferenceSettings& settings, int64_t tokens);

/// Bytes of weights that one rank holds.
Bytes WeightBytesOnRank(const InferenceSettings& settings);
/// Bytes that one token of one sequence holds in a rank's KV cache, over all layers.
Bytes KvBytesPerTokenOnRank(const InferenceSettings& settings);

}  // namespace ridgeline::workloads

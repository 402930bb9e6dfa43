/// Models and layouts that several tests share, small enough to count by hand.
#pragma once

#include "workloads/lowering.h"

namespace ridgeline::workloads {

/// A GPT layer: layer norms, plain attention, a feed-forward of 4h without gate, learned positions.
inline Model Gpt(int64_t hidden, int64_t heads, int64_t layers = 1) {
  Model model;
  model.name = "gpt";
  model.model_type = "decoder";
  model.hidden = hidden;
  model.vocabulary = 1024;
  model.max_positions = 2048;
  model.has_learned_positions = true;
  Layer layer;
  layer.norm = NormKind::kLayerNorm;
  layer.mixer.heads = heads;
  layer.mixer.kv_heads = heads;
  layer.mixer.head_dim = hidden / heads;
  layer.feed_forward.intermediate = 4 * hidden;
  layer.feed_forward.is_gated = false;
  model.kinds = {layer};
  model.layers.assign(static_cast<size_t>(layers), 0);
  return model;
}

/// Grouped-query attention and a gated feed-forward, as Llama.
inline Model Llama(int64_t hidden, int64_t heads, int64_t kv_heads, int64_t intermediate,
                   int64_t layers = 1) {
  Model model = Gpt(hidden, heads, layers);
  model.has_learned_positions = false;
  Layer& layer = model.kinds.front();
  layer.norm = NormKind::kRmsNorm;
  layer.mixer.kv_heads = kv_heads;
  layer.feed_forward.intermediate = intermediate;
  layer.feed_forward.is_gated = true;
  return model;
}

/// The same with experts instead of a dense feed-forward.
inline Model Mixture(int64_t hidden, int64_t heads, int64_t kv_heads, int64_t width,
                     int64_t experts, int64_t per_token, int64_t shared, int64_t layers = 1) {
  Model model = Llama(hidden, heads, kv_heads, width, layers);
  FeedForward& feed_forward = model.kinds.front().feed_forward;
  feed_forward.kind = FeedForwardKind::kMixture;
  feed_forward.experts = experts;
  feed_forward.experts_per_token = per_token;
  feed_forward.shared_intermediate = shared;
  return model;
}

inline LoweringRequest Request(const Model& model, const Framework& framework, int64_t sequence,
                               int64_t tp = 1, bool sequence_parallel = false) {
  LoweringRequest request;
  request.model = &model;
  request.framework = &framework;
  request.layout.tp = tp;
  request.layout.sequence_parallel = sequence_parallel;
  request.sequence_length = sequence;
  return request;
}

}  // namespace ridgeline::workloads

#include "workloads/model.h"

#include "base/operation.h"

namespace ridgeline::workloads {
namespace {

/// Parameters of a mixer: matrices that tp divides, matrices every rank holds, and everything else
/// (norms, biases, convolutions), again divided or not.
struct MixerParameters {
  int64_t sharded_matrices = 0;
  int64_t replicated_matrices = 0;
  int64_t sharded_vectors = 0;
  int64_t replicated_vectors = 0;
};

MixerParameters CountAttention(const Mixer& mixer, int64_t hidden) {
  const int64_t queries = mixer.heads * mixer.head_dim;
  const int64_t keys = mixer.kv_heads * mixer.head_dim;
  const int64_t value_dim = ValueHeadDim(mixer);
  const int64_t values = mixer.stores_keys_only ? 0 : mixer.kv_heads * value_dim;
  const int64_t outputs = mixer.heads * value_dim;
  MixerParameters count;
  count.sharded_matrices = hidden * (keys + values + (mixer.has_output_gate ? outputs : 0));
  if (mixer.q_lora_rank > 0) {
    count.replicated_matrices += hidden * mixer.q_lora_rank;
    count.replicated_vectors += mixer.q_lora_rank;
    count.sharded_matrices += mixer.q_lora_rank * queries;
  } else {
    count.sharded_matrices += hidden * queries;
  }
  // Groups of heads share the first factor: outputs / groups x rank each.
  count.sharded_matrices += mixer.o_lora_rank > 0 ? outputs * mixer.o_lora_rank +
                                                        mixer.o_groups * mixer.o_lora_rank * hidden
                                                  : outputs * hidden;
  count.sharded_vectors = mixer.has_qkv_bias ? queries + keys + values : 0;
  count.replicated_vectors +=
      (mixer.has_output_bias ? hidden : 0) + (mixer.has_qk_norm ? 2 * mixer.head_dim : 0);
  return count;
}

MixerParameters CountLatentAttention(const Mixer& mixer, int64_t hidden) {
  const int64_t query_dim = mixer.head_dim + mixer.rotary_dim;
  const int64_t outputs = mixer.heads * mixer.v_head_dim;
  MixerParameters count;
  count.replicated_matrices = hidden * (mixer.kv_lora_rank + mixer.rotary_dim);
  count.replicated_vectors = mixer.kv_lora_rank;
  if (mixer.q_lora_rank > 0) {
    count.replicated_matrices += hidden * mixer.q_lora_rank;
    count.replicated_vectors += mixer.q_lora_rank;
    count.sharded_matrices = mixer.q_lora_rank * mixer.heads * query_dim;
  } else {
    count.sharded_matrices = hidden * mixer.heads * query_dim;
  }
  count.sharded_matrices += mixer.kv_lora_rank * mixer.heads * (mixer.head_dim + mixer.v_head_dim) +
                            outputs * hidden * (mixer.has_output_gate ? 2 : 1);
  return count;
}

MixerParameters CountMamba2(const Mixer& mixer, int64_t hidden) {
  const int64_t inner = mixer.heads * mixer.head_dim;
  const int64_t convolved = inner + 2 * mixer.kv_heads * mixer.state_size;
  MixerParameters count;
  count.sharded_matrices = hidden * (inner + convolved + mixer.heads) + inner * hidden;
  // Convolution with bias; A, D and the step's bias a head; the gated norm before the output.
  count.sharded_vectors = convolved * (mixer.conv_kernel + 1) + 3 * mixer.heads + inner;
  return count;
}

MixerParameters CountLinearAttention(const Mixer& mixer, int64_t hidden) {
  const int64_t keys = mixer.kv_heads * mixer.head_dim;
  const int64_t values = mixer.heads * mixer.v_head_dim;
  MixerParameters count;
  // Queries, keys, values, the output gate; decay and step a value head; the output projection.
  count.sharded_matrices =
      hidden * (2 * keys + 2 * values) + 2 * hidden * mixer.heads + values * hidden;
  count.sharded_vectors = (2 * keys + values) * mixer.conv_kernel + 2 * mixer.heads;
  count.replicated_vectors = mixer.v_head_dim;
  return count;
}

MixerParameters CountMixer(const Mixer& mixer, int64_t hidden) {
  switch (mixer.kind) {
    case MixerKind::kAttention:
      return CountAttention(mixer, hidden);
    case MixerKind::kLatentAttention:
      return CountLatentAttention(mixer, hidden);
    case MixerKind::kMamba2:
      return CountMamba2(mixer, hidden);
    case MixerKind::kLinearAttention:
      return CountLinearAttention(mixer, hidden);
    case MixerKind::kNone:
      break;
  }
  return {};
}

int64_t NumMatrices(const FeedForward& feed_forward) { return feed_forward.is_gated ? 3 : 2; }

/// Width of the vectors that experts work on.
int64_t ExpertHidden(const Model& model, const FeedForward& feed_forward) {
  return feed_forward.latent > 0 ? feed_forward.latent : model.hidden;
}

int64_t BiasesOf(const FeedForward& feed_forward, int64_t hidden) {
  return feed_forward.has_bias
             ? feed_forward.intermediate * (NumMatrices(feed_forward) - 1) + hidden
             : 0;
}

/// Forward FLOPs of one token in the part of a mixer that is no matrix of parameters.
double MixingFlopsPerToken(const Mixer& mixer, int64_t sequence_length, bool causal) {
  switch (mixer.kind) {
    case MixerKind::kAttention:
    case MixerKind::kLatentAttention: {
      const Attention attention{.causal = causal,
                                .batch = 1,
                                .q_len = sequence_length,
                                .kv_len = sequence_length,
                                .heads = mixer.heads,
                                .kv_heads = mixer.heads,
                                .head_dim = mixer.head_dim + mixer.rotary_dim,
                                .v_head_dim = ValueHeadDim(mixer),
                                .window = causal ? mixer.window : 0};
      return FlopsOf(attention).base() / static_cast<double>(sequence_length);
    }
    // The recurrence: decay of the state, the update's outer product and addition, the read-out; as
    // NVIDIA/Megatron-LM megatron/training/training.py counts Mamba's scan (7 a state element).
    case MixerKind::kMamba2:
      return 7.0 * static_cast<double>(mixer.heads * mixer.head_dim * mixer.state_size);
    case MixerKind::kLinearAttention:
      return 7.0 * static_cast<double>(mixer.heads * mixer.head_dim * mixer.v_head_dim);
    case MixerKind::kNone:
      break;
  }
  return 0.0;
}

}  // namespace

int64_t ValueHeadDim(const Mixer& mixer) {
  return mixer.v_head_dim > 0 ? mixer.v_head_dim : mixer.head_dim;
}

LayerParameters CountParameters(const Model& model, const Layer& layer) {
  LayerParameters count;
  const MixerParameters mixer = CountMixer(layer.mixer, model.hidden);
  count.mixer = mixer.sharded_matrices + mixer.sharded_vectors;
  count.replicated = mixer.replicated_matrices + mixer.replicated_vectors +
                     layer.mixer.extra_parameters + layer.extra_parameters +
                     layer.norms * model.hidden * (layer.norm == NormKind::kLayerNorm ? 2 : 1);
  const FeedForward& feed_forward = layer.feed_forward;
  const int64_t matrices = NumMatrices(feed_forward);
  if (feed_forward.kind == FeedForwardKind::kDense) {
    count.dense =
        matrices * model.hidden * feed_forward.intermediate + BiasesOf(feed_forward, model.hidden);
    count.replicated += feed_forward.extra_parameters;
  } else if (feed_forward.kind == FeedForwardKind::kMixture) {
    const int64_t width = ExpertHidden(model, feed_forward);
    const int64_t expert =
        matrices * width * feed_forward.intermediate + BiasesOf(feed_forward, width);
    count.experts = feed_forward.experts * expert;
    count.active_experts = feed_forward.experts_per_token * expert;
    count.dense = matrices * model.hidden * feed_forward.shared_intermediate;
    count.replicated += model.hidden * feed_forward.experts +
                        (feed_forward.has_bias ? feed_forward.experts : 0) +
                        2 * model.hidden * feed_forward.latent + feed_forward.extra_parameters;
  }
  return count;
}

ModelParameters CountParameters(const Model& model) {
  ModelParameters count;
  count.head = model.vocabulary * model.hidden;
  count.embedding =
      count.head + (model.has_learned_positions ? model.max_positions * model.hidden : 0);
  const bool has_layer_norm =
      !model.kinds.empty() && model.kinds.front().norm == NormKind::kLayerNorm;
  const int64_t final_norm = model.hidden * (has_layer_norm ? 2 : 1);
  count.total = count.embedding + (model.has_tied_embeddings ? 0 : count.head) + final_norm +
                model.extra_parameters;
  count.active = count.total;
  std::vector<LayerParameters> kinds;
  kinds.reserve(model.kinds.size());
  for (const Layer& kind : model.kinds) {
    kinds.push_back(CountParameters(model, kind));
  }
  for (const int index : model.layers) {
    const LayerParameters& layer = kinds[static_cast<size_t>(index)];
    count.total += layer.total();
    count.active += layer.active();
    count.routed_experts += layer.experts;
  }
  return count;
}

int64_t KvElementsPerToken(const Model& model) {
  int64_t elements = 0;
  for (const int index : model.layers) {
    const Mixer& mixer = model.kinds[static_cast<size_t>(index)].mixer;
    if (mixer.kind == MixerKind::kAttention) {
      elements +=
          mixer.kv_heads * (mixer.head_dim + (mixer.stores_keys_only ? 0 : ValueHeadDim(mixer)));
    } else if (mixer.kind == MixerKind::kLatentAttention) {
      elements += mixer.kv_lora_rank + mixer.rotary_dim;
    }
    elements += mixer.extra_kv_elements;
  }
  return elements;
}

int64_t StateElementsPerSequence(const Model& model) {
  int64_t elements = 0;
  for (const int index : model.layers) {
    const Mixer& mixer = model.kinds[static_cast<size_t>(index)].mixer;
    if (mixer.kind == MixerKind::kMamba2) {
      const int64_t inner = mixer.heads * mixer.head_dim;
      elements += inner * mixer.state_size +
                  (inner + 2 * mixer.kv_heads * mixer.state_size) * (mixer.conv_kernel - 1);
    } else if (mixer.kind == MixerKind::kLinearAttention) {
      elements += mixer.heads * mixer.head_dim * mixer.v_head_dim +
                  (2 * mixer.kv_heads * mixer.head_dim + mixer.heads * mixer.v_head_dim) *
                      (mixer.conv_kernel - 1);
    }
  }
  return elements;
}

int64_t MatrixParametersPerToken(const Model& model, const Layer& layer) {
  const MixerParameters mixer = CountMixer(layer.mixer, model.hidden);
  int64_t count = mixer.sharded_matrices + mixer.replicated_matrices;
  const FeedForward& feed_forward = layer.feed_forward;
  const int64_t matrices = NumMatrices(feed_forward);
  if (feed_forward.kind == FeedForwardKind::kDense) {
    count += matrices * model.hidden * feed_forward.intermediate;
  } else if (feed_forward.kind == FeedForwardKind::kMixture) {
    count += matrices * feed_forward.experts_per_token * ExpertHidden(model, feed_forward) *
                 feed_forward.intermediate +
             matrices * model.hidden * feed_forward.shared_intermediate +
             model.hidden * feed_forward.experts + 2 * model.hidden * feed_forward.latent;
  }
  return count;
}

double LayerTrainingFlopsPerToken(const Model& model, const Layer& layer, int64_t sequence_length,
                                  bool causal) {
  return 6.0 * static_cast<double>(MatrixParametersPerToken(model, layer)) +
         3.0 * MixingFlopsPerToken(layer.mixer, sequence_length, causal);
}

double TrainingFlopsPerToken(const Model& model, int64_t sequence_length, bool causal) {
  double flops = 6.0 * static_cast<double>(model.vocabulary * model.hidden);
  std::vector<double> kinds;
  kinds.reserve(model.kinds.size());
  for (const Layer& kind : model.kinds) {
    kinds.push_back(LayerTrainingFlopsPerToken(model, kind, sequence_length, causal));
  }
  for (const int index : model.layers) {
    flops += kinds[static_cast<size_t>(index)];
  }
  return flops;
}

}  // namespace ridgeline::workloads

/// A transformer (or hybrid) as shapes: enough to count parameters, FLOPs and cache, and to lower
/// it to operations. Read from a Hugging Face config.json by hf_config.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace ridgeline::workloads {

enum class MixerKind {
  kAttention,        // multi-head, grouped-query or multi-query, full or windowed
  kLatentAttention,  // MLA: DeepSeek-V2, arXiv:2405.04434
  kMamba2,           // selective state space: arXiv:2405.21060
  kLinearAttention,  // gated delta net and relatives: constant state per head
  kNone
};

/// What mixes tokens in a layer. Fields that a kind does not use stay 0.
struct Mixer {
  MixerKind kind = MixerKind::kAttention;
  int64_t heads = 0;     // query heads; Mamba-2: state heads; linear attention: value heads
  int64_t kv_heads = 0;  // linear attention: key heads; Mamba-2: groups
  int64_t head_dim = 0;  // of queries and keys (MLA: without the rotary part)
  int64_t v_head_dim = 0;
  int64_t window = 0;  // sliding window or attention chunk, tokens; 0 means all
  bool has_qkv_bias = false;
  bool has_output_bias = false;
  bool has_qk_norm = false;
  bool has_output_gate = false;  // doubles the query projection
  int64_t q_lora_rank = 0;       // MLA, DeepSeek-V4; 0: plain query projection
  int64_t o_lora_rank = 0;       // DeepSeek-V4: outputs of each group go through a latent; 0: plain
  int64_t o_groups = 0;          // DeepSeek-V4: groups of heads in the output projection
  int64_t kv_lora_rank = 0;      // MLA
  int64_t rotary_dim = 0;        // MLA: the decoupled rotary part of each head
  int64_t state_size = 0;        // Mamba-2
  int64_t conv_kernel = 0;       // Mamba-2 and linear attention
  /// Parameters that the named fields do not cover (sparse-attention indexers, sinks), counted from
  /// the config by hf_config.
  int64_t extra_parameters = 0;
  int64_t extra_kv_elements = 0;  // cached beside the keys and values, per token
  bool stores_keys_only = false;  // values are the keys (or latent only): halves the cache
  friend bool operator==(const Mixer&, const Mixer&) = default;
};

enum class FeedForwardKind { kDense, kMixture, kNone };

struct FeedForward {
  FeedForwardKind kind = FeedForwardKind::kDense;
  int64_t intermediate = 0;  // dense width; mixture: width of one expert
  bool is_gated = true;      // SwiGLU and relatives: three matrices, else two
  bool has_bias = false;
  int64_t experts = 0;
  int64_t experts_per_token = 0;
  int64_t shared_intermediate = 0;  // width of all shared experts together
  int64_t latent =
      0;  // experts work on a narrower projection of the hidden state (Nemotron-3); 0: hidden
  int64_t extra_parameters = 0;  // router biases, shared-expert gates
  friend bool operator==(const FeedForward&, const FeedForward&) = default;
};

enum class NormKind { kRmsNorm, kLayerNorm };

struct Layer {
  Mixer mixer;
  FeedForward feed_forward;
  NormKind norm = NormKind::kRmsNorm;
  int64_t norms = 2;  // of width hidden
  int64_t extra_parameters = 0;
  friend bool operator==(const Layer&, const Layer&) = default;
};

struct Model {
  std::string name;        // "llama-3.1-70b"
  std::string model_type;  // as in the config
  int64_t hidden = 0;
  int64_t vocabulary = 0;
  bool has_tied_embeddings = false;
  int64_t max_positions = 0;
  bool has_learned_positions = false;  // GPT-2 and GPT-3: a table of max_positions x hidden
  DType dtype = DType::kBf16;          // of the published weights
  std::vector<Layer> kinds;            // distinct layers
  std::vector<int> layers;             // for each layer, bottom to top, its index in `kinds`
  int64_t next_token_layers = 0;       // multi-token-prediction depths; a job says how many train
  int64_t extra_parameters = 0;        // outside layers: vision tower is NOT counted; see notes
  std::vector<std::string> notes;      // what the count leaves out ("vision encoder not modelled")

  int64_t num_layers() const { return static_cast<int64_t>(layers.size()); }
  const Layer& layer(int64_t index) const {
    return kinds[static_cast<size_t>(layers[static_cast<size_t>(index)])];
  }
  friend bool operator==(const Model&, const Model&) = default;
};

/// Parameters of one layer, by who shards them.
struct LayerParameters {
  int64_t mixer = 0;           // divided by tp
  int64_t dense = 0;           // dense feed-forward and shared experts: divided by tp
  int64_t experts = 0;         // all routed experts: divided by tp and ep
  int64_t active_experts = 0;  // of those, used by one token
  int64_t replicated = 0;      // norms, routers, latent projections: on every rank
  int64_t total() const { return mixer + dense + experts + replicated; }
  int64_t active() const { return mixer + dense + active_experts + replicated; }
};
LayerParameters CountParameters(const Model& model, const Layer& layer);

struct ModelParameters {
  int64_t total = 0;
  int64_t active = 0;     // touched by one token, both embedding matrices included
  int64_t embedding = 0;  // input table (and positions)
  int64_t head = 0;  // output matrix as computed with: vocabulary x hidden, tied or not; counted in
                     // total once when tied
  int64_t routed_experts = 0;
};
ModelParameters CountParameters(const Model& model);

/// Elements that one token adds to the cache, over all layers (windowed layers included: they hold
/// at most their window).
int64_t KvElementsPerToken(const Model& model);
/// Elements of constant state that one sequence holds (Mamba-2, linear attention), over all layers.
int64_t StateElementsPerSequence(const Model& model);

/// Width of one head's values.
int64_t ValueHeadDim(const Mixer& mixer);

/// Elements of weight matrices that one token is multiplied with in a layer: projections, routers,
/// the experts chosen. Norms and biases are not among them.
int64_t MatrixParametersPerToken(const Model& model, const Layer& layer);

/// One layer's part of TrainingFlopsPerToken.
double LayerTrainingFlopsPerToken(const Model& model, const Layer& layer, int64_t sequence_length,
                                  bool causal);

/// Model FLOPs of one token in training, forward and backward, without recompute (what MFU counts):
/// 6 x active matrix parameters (head included, embedding lookup not) plus attention. `causal`
/// false counts the full square, as PaLM's and NeMo's tables do.
double TrainingFlopsPerToken(const Model& model, int64_t sequence_length, bool causal);

}  // namespace ridgeline::workloads

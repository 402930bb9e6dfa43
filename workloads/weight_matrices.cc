#include "workloads/weight_matrices.h"

namespace ridgeline::workloads {
namespace {

class MatrixList {
 public:
  void Add(const WeightMatrix& matrix) {
    if (matrix.elements() > 0) {
      list_.push_back(matrix);
    }
  }
  void AddAttention(const Mixer& mixer, int64_t hidden, int64_t tp) {
    const int64_t heads = mixer.heads / tp;
    const int64_t outputs = heads * ValueHeadDim(mixer);
    const int64_t query_in = mixer.q_lora_rank > 0 ? mixer.q_lora_rank : hidden;
    Add({.rows = mixer.q_lora_rank, .columns = hidden});
    if (mixer.kind == MixerKind::kLatentAttention) {
      Add({.rows = heads * (mixer.head_dim + mixer.rotary_dim), .columns = query_in});
      Add({.rows = mixer.kv_lora_rank + mixer.rotary_dim, .columns = hidden});
      Add({.rows = heads * (mixer.head_dim + mixer.v_head_dim), .columns = mixer.kv_lora_rank});
    } else {
      const int64_t kv_heads = mixer.kv_heads / tp;
      Add({.rows = heads * mixer.head_dim, .columns = query_in});
      Add({.rows = kv_heads * mixer.head_dim, .columns = hidden});
      Add({.rows = mixer.stores_keys_only ? 0 : kv_heads * ValueHeadDim(mixer), .columns = hidden});
    }
    Add({.rows = mixer.has_output_gate ? outputs : 0, .columns = hidden});
    Add({.rows = hidden, .columns = outputs});
  }
  void AddFeedForward(const FeedForward& feed_forward, int64_t hidden, int64_t width, int64_t count,
                      bool is_expert, const Fusion& fusion) {
    const bool is_one = feed_forward.is_gated && fusion.gate_up;
    Add({.rows = is_one ? 2 * width : width,
         .columns = hidden,
         .count = feed_forward.is_gated && !is_one ? 2 * count : count,
         .is_expert = is_expert});
    Add({.rows = hidden, .columns = width, .count = count, .is_expert = is_expert});
  }
  std::vector<WeightMatrix> Take() { return std::move(list_); }

 private:
  std::vector<WeightMatrix> list_;
};

}  // namespace

std::vector<WeightMatrix> MatricesOnRank(const Model& model, const Layer& layer,
                                         const Layout& layout, const Fusion& fusion) {
  MatrixList matrices;
  const Mixer& mixer = layer.mixer;
  if (mixer.kind == MixerKind::kAttention || mixer.kind == MixerKind::kLatentAttention) {
    matrices.AddAttention(mixer, model.hidden, layout.tp);
  }
  const FeedForward& feed_forward = layer.feed_forward;
  if (feed_forward.kind == FeedForwardKind::kDense) {
    matrices.AddFeedForward(feed_forward, model.hidden, feed_forward.intermediate / layout.tp, 1,
                            false, fusion);
  }
  if (feed_forward.kind == FeedForwardKind::kMixture) {
    matrices.Add({.rows = feed_forward.experts, .columns = model.hidden, .is_product = false});
    const int64_t hidden = feed_forward.latent > 0 ? feed_forward.latent : model.hidden;
    matrices.AddFeedForward(feed_forward, hidden, feed_forward.intermediate / layout.expert_tp(),
                            feed_forward.experts / layout.ep, true, fusion);
    matrices.AddFeedForward(feed_forward, model.hidden,
                            feed_forward.shared_intermediate / layout.tp, 1, false, fusion);
  }
  return matrices.Take();
}

}  // namespace ridgeline::workloads

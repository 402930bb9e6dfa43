#include "workloads/hf_latent.h"

#include <fmt/format.h>

#include "workloads/hf_dense.h"
#include "workloads/hf_mixture.h"

namespace ridgeline::workloads {
namespace {

/// The published inference code of DeepSeek-V3.2 (Indexer): queries from the query latent, one key
/// of index_head_dim with a layer norm, one weight a head.
void AddIndexer(const HfFields& text, int64_t hidden, Mixer& mixer) {
  const int64_t heads = text.Size({"index_n_heads"});
  const int64_t width = text.Size({"index_head_dim"});
  const int64_t query_source = mixer.q_lora_rank > 0 ? mixer.q_lora_rank : hidden;
  mixer.extra_parameters +=
      query_source * heads * width + hidden * width + 2 * width + hidden * heads;
  mixer.extra_kv_elements += width;
}

FeedForward ReadDeepSeekMixture(const HfFields& text) {
  FeedForward mixture =
      ReadMixture(text, {"n_routed_experts"}, {"num_experts_per_tok"}, {"moe_intermediate_size"});
  mixture.shared_intermediate = text.CountOr({"n_shared_experts"}, 0) * mixture.intermediate;
  // noaux_tc balances by a bias an expert.
  mixture.extra_parameters = text.TextOr("topk_method", "") == "noaux_tc" ? mixture.experts : 0;
  return mixture;
}

Model ReadDeepSeek(const HfFields& root, bool has_indexer) {
  const HfFields text = root.MapOrSelf("text_config");
  Model model = StartModel(root, text, false);
  const Mixer plain = ReadLatentAttention(text);
  Mixer indexed = plain;
  if (has_indexer) {
    AddIndexer(text, model.hidden, indexed);
  }
  const FeedForward sparse = ReadDeepSeekMixture(text);
  const int64_t layers = NumLayers(text);
  const int64_t first_dense = text.CountOr({"first_k_dense_replace"}, 0, kMaxLayers);
  const int64_t frequency = text.SizeOr({"moe_layer_freq"}, 1);
  const FeedForward dense = first_dense > 0 || frequency > 1 ? ReadGatedFeedForward(text) : sparse;
  // GLM-5.2: a layer may take over the tokens that an earlier layer's indexer chose.
  const std::vector<std::string> indexers =
      has_indexer ? TextByLayer(text, "indexer_types", layers) : std::vector<std::string>{};
  for (int64_t i = 0; i < layers; ++i) {
    Layer layer;
    const bool is_shared = !indexers.empty() && indexers[static_cast<size_t>(i)] == "shared";
    layer.mixer = is_shared ? plain : indexed;
    layer.feed_forward = i >= first_dense && i % frequency == 0 ? sparse : dense;
    AppendLayer(model, layer);
  }
  model.next_token_layers = text.CountOr({"num_nextn_predict_layers"}, 0, kMaxLayers);
  if (model.next_token_layers > 0) {
    model.notes.emplace_back("multi-token prediction layers are not counted");
  }
  return model;
}

}  // namespace

Mixer ReadLatentAttention(const HfFields& text) {
  Mixer mixer;
  mixer.kind = MixerKind::kLatentAttention;
  mixer.heads = text.Size({"num_attention_heads"});
  mixer.kv_heads = mixer.heads;
  mixer.head_dim = text.Size({"qk_nope_head_dim"});
  mixer.rotary_dim = text.Size({"qk_rope_head_dim"});
  mixer.v_head_dim = text.Size({"v_head_dim"});
  mixer.kv_lora_rank = text.Size({"kv_lora_rank"});
  mixer.q_lora_rank = text.CountOr({"q_lora_rank"}, 0);
  return mixer;
}

Model ReadDeepSeekV3(const HfFields& root) { return ReadDeepSeek(root, false); }

Model ReadDeepSeekSparse(const HfFields& root) { return ReadDeepSeek(root, true); }

Model ReadDeepSeekV4(const HfFields& root) {
  Model model = StartModel(root, root, false);
  Layer layer;
  Mixer& mixer = layer.mixer;
  // One key head of head_dim whose key is its value; queries through a latent; the output in
  // groups, each through a latent of its own.
  mixer = ReadAttention(root, model.hidden);
  mixer.stores_keys_only = true;
  mixer.q_lora_rank = root.CountOr({"q_lora_rank"}, 0);
  mixer.o_lora_rank = root.CountOr({"o_lora_rank"}, 0);
  mixer.o_groups = root.SizeOr({"o_groups"}, 1);
  const int64_t window = root.CountOr({"sliding_window"}, 0, kMaxPositions);
  layer.feed_forward = ReadDeepSeekMixture(root);
  const int64_t layers = NumLayers(root);
  const std::vector<int64_t> ratios = IntegerByLayer(root, "compress_ratios", layers);
  const Mixer plain = mixer;
  for (int64_t i = 0; i < layers; ++i) {
    mixer = plain;
    mixer.window = window;
    mixer.extra_parameters = mixer.heads;  // attention sinks
    const int64_t ratio = ratios.empty() ? 0 : ratios[static_cast<size_t>(i)];
    if (ratio < 0 || ratio > kMaxDimension) {
      root.Fail("compress_ratios", fmt::format("a ratio of compression is at least 0: {}", ratio));
    } else if (ratio > 0) {
      // The compressor projects keys and gates; with a small ratio an indexer chooses among its
      // entries. A token leaves head_dim / ratio elements behind, beyond the window.
      mixer.extra_parameters += 2 * model.hidden * mixer.head_dim;
      mixer.extra_kv_elements = (mixer.head_dim + ratio - 1) / ratio;
      if (ratio < 16 && root.Has("index_n_heads")) {
        const int64_t heads = root.Size({"index_n_heads"});
        const int64_t width = root.Size({"index_head_dim"});
        mixer.extra_parameters +=
            mixer.q_lora_rank * heads * width + model.hidden * heads + 2 * model.hidden * width;
        mixer.extra_kv_elements += (width + ratio - 1) / ratio;
      }
    }
    AppendLayer(model, layer);
  }
  model.next_token_layers = root.CountOr({"num_nextn_predict_layers"}, 0, kMaxLayers);
  model.notes.emplace_back(
      "the compressors, their indexers and the hyper-connections are counted approximately");
  return model;
}

}  // namespace ridgeline::workloads

#include "workloads/hf_mixture.h"

#include <algorithm>

#include <fmt/format.h>

#include "workloads/hf_dense.h"

namespace ridgeline::workloads {

FeedForward ReadMixture(const HfFields& text, HfFields::Names experts, HfFields::Names per_token,
                        HfFields::Names intermediate) {
  FeedForward mixture;
  mixture.kind = FeedForwardKind::kMixture;
  mixture.experts = text.Size(experts, 1 << 16);
  mixture.experts_per_token = text.Size(per_token, 1 << 16);
  mixture.intermediate = text.Size(intermediate);
  if (mixture.experts_per_token > mixture.experts) {
    text.Fail(*per_token.begin(),
              fmt::format("a token cannot be sent to more experts than there are: {} of {}",
                          mixture.experts_per_token, mixture.experts));
  }
  return mixture;
}

Model ReadMixtral(const HfFields& root) {
  Model model = StartModel(root, root, false);
  Layer layer;
  layer.mixer = ReadAttention(root, model.hidden);
  layer.mixer.window = root.CountOr({"sliding_window"}, 0, kMaxPositions);
  layer.feed_forward =
      ReadMixture(root, {"num_local_experts"}, {"num_experts_per_tok"}, {"intermediate_size"});
  for (int64_t i = NumLayers(root); i > 0; --i) {
    AppendLayer(model, layer);
  }
  return model;
}

Model ReadQwen3Moe(const HfFields& root) {
  const HfFields text = root.MapOrSelf("text_config");
  Model model = StartModel(root, text, false);
  Layer dense;
  dense.mixer = ReadAttention(text, model.hidden);
  dense.mixer.has_qk_norm = true;
  Layer sparse = dense;
  sparse.feed_forward =
      ReadMixture(text, {"num_experts"}, {"num_experts_per_tok"}, {"moe_intermediate_size"});
  const int64_t step = text.SizeOr({"decoder_sparse_step"}, 1);
  const std::vector<int64_t> dense_layers = text.Integers("mlp_only_layers");
  const int64_t layers = NumLayers(text);
  for (int64_t i = 0; i < layers; ++i) {
    const bool is_dense =
        (i + 1) % step != 0 || std::ranges::find(dense_layers, i) != dense_layers.end();
    if (is_dense) {
      dense.feed_forward = ReadGatedFeedForward(text);
    }
    AppendLayer(model, is_dense ? dense : sparse);
  }
  return model;
}

Model ReadGptOss(const HfFields& root) {
  Model model = StartModel(root, root, false);
  Layer layer;
  layer.mixer = ReadAttention(root, model.hidden);
  layer.mixer.extra_parameters = layer.mixer.heads;  // one attention sink a head
  layer.feed_forward =
      ReadMixture(root, {"num_local_experts"}, {"num_experts_per_tok", "experts_per_token"},
                  {"intermediate_size"});
  layer.feed_forward.has_bias = true;
  const int64_t layers = NumLayers(root);
  const int64_t window = root.CountOr({"sliding_window"}, 0, kMaxPositions);
  const std::vector<std::string> types = TextByLayer(root, "layer_types", layers);
  for (int64_t i = 0; i < layers; ++i) {
    const bool is_windowed =
        types.empty() ? i % 2 == 0 : types[static_cast<size_t>(i)] == "sliding_attention";
    layer.mixer.window = is_windowed ? window : 0;
    AppendLayer(model, layer);
  }
  return model;
}

Model ReadLlama4(const HfFields& root) {
  const HfFields text = root.MapOrSelf("text_config");
  Model model = StartModel(root, text, false);
  Layer dense;
  dense.mixer = ReadAttention(text, model.hidden);  // its query and key norms have no weights
  Layer sparse = dense;
  sparse.feed_forward =
      ReadMixture(text, {"num_local_experts"}, {"num_experts_per_tok"}, {"intermediate_size"});
  sparse.feed_forward.shared_intermediate = sparse.feed_forward.intermediate;
  dense.feed_forward.intermediate = text.Size({"intermediate_size_mlp"});
  const int64_t step = text.SizeOr({"interleave_moe_layer_step"}, 1);
  const int64_t chunk = text.CountOr({"attention_chunk_size"}, 0, kMaxPositions);
  const int64_t layers = NumLayers(text);
  for (int64_t i = 0; i < layers; ++i) {
    Layer& layer = (i + 1) % step == 0 ? sparse : dense;
    layer.mixer.window =
        (i + 1) % 4 == 0 ? 0 : chunk;  // every fourth layer has no rotary, no chunk
    AppendLayer(model, layer);
  }
  return model;
}

Model ReadMiniMaxM2(const HfFields& root) {
  Model model = StartModel(root, root, false);
  Layer layer;
  layer.mixer = ReadAttention(root, model.hidden);
  if (root.FlagOr("use_qk_norm", false)) {
    if (root.TextOr("qk_norm_type", "per_head") == "per_layer") {
      // One weight for every element of all heads.
      layer.mixer.extra_parameters =
          (layer.mixer.heads + layer.mixer.kv_heads) * layer.mixer.head_dim;
    } else {
      layer.mixer.has_qk_norm = true;
    }
  }
  layer.feed_forward =
      ReadMixture(root, {"num_local_experts"}, {"num_experts_per_tok"}, {"intermediate_size"});
  layer.feed_forward.shared_intermediate = root.CountOr({"shared_intermediate_size"}, 0);
  layer.feed_forward.extra_parameters =
      root.FlagOr("use_routing_bias", false) ? layer.feed_forward.experts : 0;
  model.next_token_layers =
      root.FlagOr("use_mtp", false) ? root.CountOr({"num_mtp_modules"}, 0, kMaxLayers) : 0;
  for (int64_t i = NumLayers(root); i > 0; --i) {
    AppendLayer(model, layer);
  }
  return model;
}

Model ReadMiniMaxM3(const HfFields& root) {
  Model model = StartModel(root, root, false);
  Layer dense;
  dense.mixer = ReadAttention(root, model.hidden);
  dense.mixer.has_qk_norm = root.FlagOr("use_qk_norm", false);
  dense.mixer.has_output_gate = root.FlagOr("attention_output_gate", false);
  Layer sparse = dense;
  dense.feed_forward.intermediate = root.Size({"dense_intermediate_size"});
  sparse.feed_forward = ReadMixture(root, {"num_local_experts"}, {"num_experts_per_tok"},
                                    {"moe_intermediate_size", "intermediate_size"});
  sparse.feed_forward.shared_intermediate =
      root.CountOr({"n_shared_experts"}, 0) * root.CountOr({"shared_intermediate_size"}, 0);
  sparse.feed_forward.extra_parameters =
      root.FlagOr("use_routing_bias", false) ? sparse.feed_forward.experts : 0;
  const int64_t layers = NumLayers(root);
  const std::vector<int64_t> is_sparse = IntegerByLayer(root, "moe_layer_freq", layers);
  const int64_t first_dense = root.CountOr({"first_k_dense_replace"}, 0, kMaxLayers);
  const HfFields indexer = root.MapOrSelf("sparse_attention_config");
  const int64_t index_heads = indexer.CountOr({"sparse_num_index_heads"}, 0);
  const int64_t index_dim = indexer.CountOr({"sparse_index_dim"}, 0);
  const std::vector<int64_t> indexed = IntegerByLayer(indexer, "sparse_attention_freq", layers);
  for (int64_t i = 0; i < layers; ++i) {
    const auto at = static_cast<size_t>(i);
    Layer layer = (is_sparse.empty() ? i >= first_dense : is_sparse[at] != 0) ? sparse : dense;
    if (!indexed.empty() && indexed[at] != 0) {
      layer.mixer.extra_parameters = model.hidden * (index_heads + 1) * index_dim;
      layer.mixer.extra_kv_elements = index_dim;
    }
    AppendLayer(model, layer);
  }
  if (!indexed.empty()) {
    model.notes.emplace_back(
        "the block-sparse indexer is counted as its query and key projections only");
  }
  return model;
}

Model ReadMimoV2Flash(const HfFields& root) {
  Model model = StartModel(root, root, false);
  Mixer full = ReadAttention(root, model.hidden);
  full.v_head_dim = root.SizeOr({"v_head_dim"}, full.head_dim);
  Mixer windowed = full;
  windowed.heads = root.SizeOr({"swa_num_attention_heads"}, full.heads);
  windowed.kv_heads = root.SizeOr({"swa_num_key_value_heads"}, full.kv_heads);
  CheckHeads(root, windowed.heads, windowed.kv_heads);
  windowed.head_dim = root.SizeOr({"swa_head_dim"}, full.head_dim);
  windowed.v_head_dim = root.SizeOr({"swa_v_head_dim"}, full.v_head_dim);
  windowed.window = root.CountOr({"sliding_window"}, 0, kMaxPositions);
  full.extra_parameters = root.FlagOr("add_full_attention_sink_bias", false) ? full.heads : 0;
  windowed.extra_parameters =
      root.FlagOr("add_swa_attention_sink_bias", false) ? windowed.heads : 0;
  const FeedForward dense = ReadGatedFeedForward(root);
  FeedForward sparse =
      ReadMixture(root, {"n_routed_experts"}, {"num_experts_per_tok"}, {"moe_intermediate_size"});
  sparse.shared_intermediate = root.CountOr({"n_shared_experts"}, 0) * sparse.intermediate;
  sparse.extra_parameters = sparse.experts;  // the balancing bias of noaux_tc
  const int64_t layers = NumLayers(root);
  const std::vector<int64_t> is_windowed = IntegerByLayer(root, "hybrid_layer_pattern", layers);
  const std::vector<int64_t> is_sparse = IntegerByLayer(root, "moe_layer_freq", layers);
  for (int64_t i = 0; i < layers; ++i) {
    const auto at = static_cast<size_t>(i);
    Layer layer;
    layer.mixer = !is_windowed.empty() && is_windowed[at] != 0 ? windowed : full;
    layer.feed_forward = is_sparse.empty() || is_sparse[at] != 0 ? sparse : dense;
    AppendLayer(model, layer);
  }
  model.notes.emplace_back("multi-token prediction layers are not counted");
  return model;
}

Model ReadGemma4(const HfFields& root) {
  const HfFields text = root.MapOrSelf("text_config");
  Model model = StartModel(root, text, true);
  Layer layer;
  // Before and after attention, before and after the dense and the sparse feed-forward, and after
  // their sum: transformers modeling_gemma4.py.
  const bool has_mixture = text.FlagOr("enable_moe_block", false);
  layer.norms = has_mixture ? 7 : 4;
  Mixer windowed = ReadAttention(text, model.hidden);
  windowed.has_qk_norm = true;
  windowed.window = text.CountOr({"sliding_window"}, 0, kMaxPositions);
  Mixer full = windowed;
  full.window = 0;
  full.head_dim = text.SizeOr({"global_head_dim"}, windowed.head_dim);
  full.v_head_dim = full.head_dim;
  if (text.FlagOr("attention_k_eq_v", false)) {
    full.kv_heads = text.SizeOr({"num_global_key_value_heads"}, windowed.kv_heads);
    CheckHeads(text, full.heads, full.kv_heads);
    // One projection serves keys and values, but their norms differ, so both are cached.
    full.stores_keys_only = true;
    full.extra_kv_elements = full.kv_heads * full.head_dim;
  }
  if (has_mixture) {
    layer.feed_forward =
        ReadMixture(text, {"num_experts"}, {"top_k_experts"}, {"moe_intermediate_size"});
    layer.feed_forward.shared_intermediate = text.Size({"intermediate_size"});
    layer.feed_forward.extra_parameters = model.hidden + layer.feed_forward.experts;  // its scales
  } else {
    layer.feed_forward = ReadGatedFeedForward(text);
  }
  if (text.CountOr({"hidden_size_per_layer_input"}, 0) > 0) {
    text.Fail("hidden_size_per_layer_input",
              "embeddings by layer are not modelled: hidden_size_per_layer_input above 0");
  }
  const int64_t layers = NumLayers(text);
  const std::vector<std::string> types = TextByLayer(text, "layer_types", layers);
  for (int64_t i = 0; i < layers; ++i) {
    const bool is_full =
        types.empty() ? (i + 1) % 6 == 0 : types[static_cast<size_t>(i)] == "full_attention";
    layer.mixer = is_full ? full : windowed;
    AppendLayer(model, layer);
  }
  return model;
}

Model ReadStep3(const HfFields& root) {
  Model model = StartModel(root, root, false);
  Layer layer;
  layer.mixer = ReadAttention(root, model.hidden);
  const FeedForward dense = ReadGatedFeedForward(root);
  FeedForward sparse =
      ReadMixture(root, {"num_experts"}, {"num_experts_per_tok"}, {"moe_intermediate_size"});
  sparse.shared_intermediate =
      root.CountOr({"share_expert_dim"}, 0) * root.CountOr({"n_shared_experts"}, 1);
  sparse.extra_parameters = root.FlagOr("use_moe_router_bias", false) ? sparse.experts : 0;
  const int64_t layers = NumLayers(root);
  const int64_t first_dense = root.CountOr({"first_k_dense_replace"}, 0, kMaxLayers);
  const int64_t window = root.CountOr({"sliding_window"}, 0, kMaxPositions);
  const std::vector<std::string> types = TextByLayer(root, "layer_types", layers);
  for (int64_t i = 0; i < layers; ++i) {
    layer.mixer.window =
        !types.empty() && types[static_cast<size_t>(i)] == "sliding_attention" ? window : 0;
    layer.feed_forward = i < first_dense ? dense : sparse;
    AppendLayer(model, layer);
  }
  model.next_token_layers = root.CountOr({"num_nextn_predict_layers"}, 0, kMaxLayers);
  return model;
}

}  // namespace ridgeline::workloads

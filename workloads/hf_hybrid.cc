#include "workloads/hf_hybrid.h"

#include <algorithm>

#include <fmt/format.h>

#include "workloads/hf_dense.h"
#include "workloads/hf_latent.h"
#include "workloads/hf_mixture.h"

namespace ridgeline::workloads {
namespace {

Layer MixerOnly(Mixer mixer) {
  Layer layer;
  layer.mixer = mixer;
  layer.feed_forward.kind = FeedForwardKind::kNone;
  layer.norms = 1;
  return layer;
}

Layer FeedForwardOnly(FeedForward feed_forward) {
  Layer layer;
  layer.mixer.kind = MixerKind::kNone;
  layer.feed_forward = feed_forward;
  layer.norms = 1;
  return layer;
}

/// What one character or word of Nemotron-H's pattern stands for.
enum class Block { kMamba, kAttention, kDense, kMixture, kUnknown };

Block BlockOf(std::string_view word) {
  if (word == "M" || word == "mamba") {
    return Block::kMamba;
  }
  if (word == "*" || word == "attention") {
    return Block::kAttention;
  }
  if (word == "-" || word == "mlp") {
    return Block::kDense;
  }
  return word == "E" || word == "moe" ? Block::kMixture : Block::kUnknown;
}

std::vector<std::string> PatternOf(const HfFields& root) {
  std::vector<std::string> pattern = root.Texts("layers_block_type");
  if (pattern.empty()) {
    for (const char letter : root.TextOr("hybrid_override_pattern", "")) {
      pattern.emplace_back(1, letter);
    }
  }
  return pattern;
}

}  // namespace

Model ReadNemotronH(const HfFields& root) {
  Model model = StartModel(root, root, false);
  const std::vector<std::string> pattern = PatternOf(root);
  if (pattern.empty() || std::ssize(pattern) > kMaxLayers) {
    root.Fail(
        "hybrid_override_pattern",
        fmt::format("a pattern names between 1 and {} layers: {}", kMaxLayers, pattern.size()),
        "state hybrid_override_pattern or layers_block_type");
    return model;
  }
  if (root.Has("num_hidden_layers") && NumLayers(root) != std::ssize(pattern)) {
    root.Fail("num_hidden_layers", fmt::format("the pattern names {} layers: num_hidden_layers {}",
                                               pattern.size(), NumLayers(root)));
  }
  for (const std::string& word : pattern) {
    switch (BlockOf(word)) {
      case Block::kMamba: {
        Mixer mamba;
        mamba.kind = MixerKind::kMamba2;
        mamba.heads = root.Size({"mamba_num_heads"});
        mamba.head_dim = root.Size({"mamba_head_dim"});
        mamba.kv_heads = root.Size({"n_groups"});
        mamba.state_size = root.Size({"ssm_state_size"});
        mamba.conv_kernel = root.Size({"conv_kernel"});
        AppendLayer(model, MixerOnly(mamba));
        break;
      }
      case Block::kAttention: {
        Mixer attention = ReadAttention(root, model.hidden);
        attention.head_dim = root.SizeOr({"attention_head_dim"}, attention.head_dim);
        attention.v_head_dim = attention.head_dim;
        AppendLayer(model, MixerOnly(attention));
        break;
      }
      case Block::kDense: {
        FeedForward dense = ReadGatedFeedForward(root);
        dense.is_gated = false;  // squared ReLU
        AppendLayer(model, FeedForwardOnly(dense));
        break;
      }
      case Block::kMixture: {
        FeedForward mixture = ReadMixture(root, {"n_routed_experts"}, {"num_experts_per_tok"},
                                          {"moe_intermediate_size"});
        mixture.is_gated = false;
        mixture.shared_intermediate = root.CountOr({"n_shared_experts"}, 1) *
                                      root.CountOr({"moe_shared_expert_intermediate_size"}, 0);
        mixture.latent = root.CountOr({"moe_latent_size"}, 0);
        mixture.extra_parameters = mixture.experts;
        AppendLayer(model, FeedForwardOnly(mixture));
        break;
      }
      case Block::kUnknown:
        root.Fail(root.Has("layers_block_type") ? "layers_block_type" : "hybrid_override_pattern",
                  fmt::format("unknown kind of layer in the pattern: {}", word),
                  "M or mamba, * or attention, - or mlp, E or moe");
        return model;
    }
  }
  model.next_token_layers = root.CountOr({"num_nextn_predict_layers"}, 0, kMaxLayers);
  return model;
}

Model ReadQwenHybrid(const HfFields& root) {
  const HfFields text = root.MapOrSelf("text_config");
  Model model = StartModel(root, text, false);
  Layer full;
  full.mixer = ReadAttention(text, model.hidden);
  full.mixer.has_qk_norm = true;
  full.mixer.has_output_gate = text.FlagOr("attn_output_gate", true);
  if (text.Has("num_experts")) {
    full.feed_forward =
        ReadMixture(text, {"num_experts"}, {"num_experts_per_tok"}, {"moe_intermediate_size"});
    full.feed_forward.shared_intermediate = text.CountOr({"shared_expert_intermediate_size"}, 0);
    full.feed_forward.extra_parameters =
        full.feed_forward.shared_intermediate > 0 ? model.hidden : 0;  // its gate
  } else {
    full.feed_forward = ReadGatedFeedForward(text);
  }
  Layer linear = full;
  linear.mixer = Mixer{};
  linear.mixer.kind = MixerKind::kLinearAttention;
  linear.mixer.heads = text.Size({"linear_num_value_heads"});
  linear.mixer.kv_heads = text.Size({"linear_num_key_heads"});
  linear.mixer.head_dim = text.Size({"linear_key_head_dim"});
  linear.mixer.v_head_dim = text.Size({"linear_value_head_dim"});
  linear.mixer.conv_kernel = text.Size({"linear_conv_kernel_dim"});
  const int64_t layers = NumLayers(text);
  const int64_t interval = text.SizeOr({"full_attention_interval"}, 4);
  const std::vector<std::string> types = TextByLayer(text, "layer_types", layers);
  for (int64_t i = 0; i < layers; ++i) {
    const bool is_full =
        types.empty() ? (i + 1) % interval == 0 : types[static_cast<size_t>(i)] == "full_attention";
    AppendLayer(model, is_full ? full : linear);
  }
  model.next_token_layers = text.CountOr({"mtp_num_hidden_layers"}, 0, kMaxLayers);
  if (model.next_token_layers > 0) {
    model.notes.emplace_back("multi-token prediction layers are not counted");
  }
  return model;
}

Model ReadKimiLinear(const HfFields& root) {
  const HfFields text = root.MapOrSelf("text_config");
  Model model = StartModel(root, text, false);
  Mixer full = ReadLatentAttention(text);
  full.has_output_gate = text.FlagOr("mla_use_output_gate", false);
  const HfFields linear_config = text.MapOrSelf("linear_attn_config");
  Mixer linear;
  linear.kind = MixerKind::kLinearAttention;
  linear.heads = linear_config.Size({"num_heads"});
  linear.kv_heads = linear.heads;
  linear.head_dim = linear_config.Size({"head_dim"});
  linear.v_head_dim = linear.head_dim;
  linear.conv_kernel = linear_config.Size({"short_conv_kernel_size"});
  // Kimi delta attention decays every channel, through a bottleneck of one head's width, with a
  // bias a channel (fla-org/flash-linear-attention layers/kda.py).
  linear.extra_parameters = (model.hidden + linear.heads * linear.head_dim) * linear.head_dim +
                            linear.heads * linear.head_dim;
  const FeedForward dense = ReadGatedFeedForward(text);
  FeedForward sparse =
      ReadMixture(text, {"num_experts"}, {"num_experts_per_token", "num_experts_per_tok"},
                  {"moe_intermediate_size"});
  sparse.shared_intermediate = text.CountOr({"num_shared_experts"}, 0) * sparse.intermediate;
  sparse.latent = text.CountOr({"routed_expert_hidden_size"}, 0);
  sparse.extra_parameters = sparse.experts;
  const int64_t layers = NumLayers(text);
  const int64_t first_dense = text.CountOr({"first_k_dense_replace"}, 0, kMaxLayers);
  const std::vector<int64_t> full_layers = linear_config.Integers("full_attn_layers");  // from 1
  for (int64_t i = 0; i < layers; ++i) {
    Layer layer;
    layer.mixer = std::ranges::find(full_layers, i + 1) != full_layers.end() ? full : linear;
    layer.feed_forward = i < first_dense ? dense : sparse;
    AppendLayer(model, layer);
  }
  return model;
}

Model ReadMamba2(const HfFields& root) {
  Model model = StartModel(root, root, true);
  Mixer mamba;
  mamba.kind = MixerKind::kMamba2;
  mamba.heads = root.Size({"num_heads"});
  mamba.head_dim = root.Size({"head_dim"});
  mamba.kv_heads = root.Size({"n_groups"});
  mamba.state_size = root.Size({"state_size"});
  mamba.conv_kernel = root.SizeOr({"conv_kernel"}, 4);
  for (int64_t i = NumLayers(root); i > 0; --i) {
    AppendLayer(model, MixerOnly(mamba));
  }
  return model;
}

}  // namespace ridgeline::workloads

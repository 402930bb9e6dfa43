#include "workloads/hf_dense.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace ridgeline::workloads {
namespace {

Model RepeatLayer(Model model, const Layer& layer, int64_t layers) {
  for (int64_t i = 0; i < layers; ++i) {
    AppendLayer(model, layer);
  }
  return model;
}

/// Qwen's convention: the first `max_window_layers` layers see everything, the others a window, and
/// only when use_sliding_window says so.
Model RepeatQwenLayer(Model model, Layer layer, const HfFields& text) {
  const int64_t layers = NumLayers(text);
  const bool has_window = text.FlagOr("use_sliding_window", false);
  const int64_t window = has_window ? text.CountOr({"sliding_window"}, 0, kMaxPositions) : 0;
  const int64_t full_layers = text.CountOr({"max_window_layers"}, layers);
  for (int64_t i = 0; i < layers; ++i) {
    layer.mixer.window = i < full_layers ? 0 : window;
    AppendLayer(model, layer);
  }
  return model;
}

Layer DenseLayer(const HfFields& text, int64_t hidden) {
  Layer layer;
  layer.mixer = ReadAttention(text, hidden);
  layer.feed_forward = ReadGatedFeedForward(text);
  return layer;
}

}  // namespace

FeedForward ReadGatedFeedForward(const HfFields& text) {
  FeedForward feed_forward;
  feed_forward.kind = FeedForwardKind::kDense;
  feed_forward.intermediate = text.Size({"intermediate_size"});
  feed_forward.is_gated = true;
  feed_forward.has_bias = text.FlagOr("mlp_bias", false);
  return feed_forward;
}

Model ReadLlama(const HfFields& root) {
  const Model model = StartModel(root, root, false);
  return RepeatLayer(model, DenseLayer(root, model.hidden), NumLayers(root));
}

Model ReadMistral(const HfFields& root) {
  const Model model = StartModel(root, root, false);
  Layer layer = DenseLayer(root, model.hidden);
  layer.mixer.window = root.CountOr({"sliding_window"}, 0, kMaxPositions);
  return RepeatLayer(model, layer, NumLayers(root));
}

Model ReadQwen2(const HfFields& root) {
  const Model model = StartModel(root, root, false);
  Layer layer = DenseLayer(root, model.hidden);
  // Always so, and not stated in the config: transformers modeling_qwen2.py.
  layer.mixer.has_qkv_bias = true;
  layer.mixer.has_output_bias = false;
  return RepeatQwenLayer(model, layer, root);
}

Model ReadQwen3(const HfFields& root) {
  const HfFields text = root.MapOrSelf("text_config");
  const Model model = StartModel(root, text, false);
  Layer layer = DenseLayer(text, model.hidden);
  layer.mixer.has_qk_norm = true;
  return RepeatQwenLayer(model, layer, text);
}

Model ReadMimo(const HfFields& root) {
  Model model = StartModel(root, root, false);
  Layer layer = DenseLayer(root, model.hidden);
  layer.mixer.has_output_bias = false;
  model.next_token_layers = root.CountOr({"num_nextn_predict_layers"}, 0, kMaxLayers);
  return RepeatQwenLayer(std::move(model), layer, root);
}

Model ReadNemotronNas(const HfFields& root) {
  Model model = StartModel(root, root, false);
  const int64_t layers = NumLayers(root);
  const int64_t heads = root.Size({"num_attention_heads"});
  const std::vector<HfFields> blocks = root.Maps("block_configs");
  if (std::ssize(blocks) != layers) {
    root.Fail("block_configs", fmt::format("block_configs must have an entry for every layer: {} "
                                           "entries, {} layers",
                                           blocks.size(), layers));
    return model;
  }
  for (const HfFields& block : blocks) {
    Layer layer;
    layer.norms = 0;
    const HfFields attention = block.MapOrSelf("attention");
    if (attention.FlagOr("no_op", false)) {
      layer.mixer.kind = MixerKind::kNone;
    } else if (attention.FlagOr("replace_with_linear", false)) {
      layer.mixer.kind = MixerKind::kNone;
      layer.extra_parameters += model.hidden * model.hidden;
      layer.norms += 1;
    } else {
      const int64_t group = attention.Size({"n_heads_in_group"});
      layer.mixer.heads = heads;
      layer.mixer.kv_heads = std::max<int64_t>(1, heads / group);
      layer.mixer.head_dim = root.SizeOr({"head_dim"}, std::max<int64_t>(1, model.hidden / heads));
      layer.mixer.v_head_dim = layer.mixer.head_dim;
      layer.mixer.window = attention.CountOr({"window_length"}, 0, kMaxPositions);
      layer.norms += 1;
    }
    const HfFields feed_forward = block.MapOrSelf("ffn");
    layer.feed_forward.kind = FeedForwardKind::kNone;
    if (feed_forward.FlagOr("replace_with_linear", false)) {
      layer.extra_parameters += model.hidden * model.hidden;
      layer.norms += 1;
    } else if (!feed_forward.FlagOr("no_op", false)) {
      // Two thirds of the multiple, up to the next multiple of 256: DeciLM's
      // _ffn_mult_to_intermediate_size.
      const double multiple = feed_forward.NumberOr("ffn_mult", 0);
      if (multiple <= 0 || multiple > 1024) {
        feed_forward.Fail("ffn_mult", fmt::format("ffn_mult must be above 0: {}", multiple));
        continue;
      }
      const auto width =
          static_cast<int64_t>(2.0 * multiple * static_cast<double>(model.hidden) / 3.0);
      layer.feed_forward.kind = FeedForwardKind::kDense;
      layer.feed_forward.intermediate = std::max<int64_t>(1, (width + 255) / 256) * 256;
      layer.norms += 1;
    }
    AppendLayer(model, layer);
  }
  return model;
}

}  // namespace ridgeline::workloads

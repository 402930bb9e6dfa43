#include "workloads/hf_decoder.h"

#include <array>
#include <optional>

#include <fmt/format.h>

namespace ridgeline::workloads {

namespace decoder {

struct Description {
  std::string model_type;
  int64_t hidden_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  std::optional<int64_t> num_key_value_heads;
  std::optional<int64_t> head_dim;
  std::optional<int64_t> intermediate_size;
  int64_t vocab_size = 0;
  bool tie_word_embeddings = false;
  bool gated_mlp = true;
  NormKind norm = NormKind::kRmsNorm;
  bool bias = false;
  bool learned_positions = false;
  int64_t num_experts = 0;
  int64_t num_experts_per_tok = 0;
  std::optional<int64_t> moe_intermediate_size;
  int64_t shared_intermediate_size = 0;
  int64_t max_position_embeddings = 0;
  std::string source;
};

const Schema<Description>& SchemaOf(Tag<Description>) {
  using D = Description;
  constexpr std::optional<int64_t> kOne = 1;
  static const Schema<D> schema =
      Schema<D>("a decoder described by hand")
          .Required("model_type", &D::model_type, "decoder")
          .Required("hidden_size", &D::hidden_size, "width of the residual stream",
                    {.at_least = 1, .at_most = kMaxDimension})
          .Required("num_hidden_layers", &D::num_hidden_layers, "decoder layers",
                    {.at_least = 1, .at_most = kMaxLayers})
          .Required("num_attention_heads", &D::num_attention_heads, "query heads",
                    {.at_least = 1, .at_most = kMaxDimension})
          .Optional("num_key_value_heads", &D::num_key_value_heads,
                    "key and value heads; default: as many as query heads",
                    {.at_least = kOne, .at_most = std::optional<int64_t>(kMaxDimension)})
          .Optional("head_dim", &D::head_dim, "width of a head; default: hidden_size / heads",
                    {.at_least = kOne, .at_most = std::optional<int64_t>(kMaxDimension)})
          .Optional("intermediate_size", &D::intermediate_size,
                    "width of the dense feed-forward; left out for a mixture",
                    {.at_least = kOne, .at_most = std::optional<int64_t>(kMaxDimension)})
          .Required("vocab_size", &D::vocab_size, "rows of the embedding",
                    {.at_least = 1, .at_most = kMaxVocabulary})
          .Optional("tie_word_embeddings", &D::tie_word_embeddings,
                    "one matrix for embedding and output")
          .Optional("gated_mlp", &D::gated_mlp, "three matrices (SwiGLU) or two (GELU)")
          .Optional("norm", &D::norm, "kind of normalisation")
          .Optional("bias", &D::bias, "biases in all projections")
          .Optional("learned_positions", &D::learned_positions,
                    "a table of max_position_embeddings positions instead of rotary embedding")
          .Optional("num_experts", &D::num_experts, "routed experts of every layer; 0: dense",
                    {.at_least = 0, .at_most = kMaxDimension})
          .Optional("num_experts_per_tok", &D::num_experts_per_tok, "experts a token is sent to",
                    {.at_least = 0, .at_most = kMaxDimension})
          .Optional("moe_intermediate_size", &D::moe_intermediate_size,
                    "width of one expert; default: intermediate_size",
                    {.at_least = kOne, .at_most = std::optional<int64_t>(kMaxDimension)})
          .Optional("shared_intermediate_size", &D::shared_intermediate_size,
                    "width of all shared experts together",
                    {.at_least = 0, .at_most = kMaxDimension})
          .Optional("max_position_embeddings", &D::max_position_embeddings,
                    "longest sequence it was made for", {.at_least = 0, .at_most = kMaxPositions})
          .Optional("source", &D::source, "where the figures come from");
  return schema;
}

}  // namespace decoder

EnumTable<NormKind> EnumNames(Tag<NormKind>) {
  static constexpr std::array<std::pair<std::string_view, NormKind>, 2> kNames{
      {{"rmsnorm", NormKind::kRmsNorm}, {"layernorm", NormKind::kLayerNorm}}};
  return kNames;
}

Model ReadDecoder(const HfFields& root) {
  decoder::Description d;
  Model model;
  if (!decoder::SchemaOf(Tag<decoder::Description>{}).DecodeInto(root.map(), d, root.context())) {
    return model;
  }
  model.model_type = d.model_type;
  model.hidden = d.hidden_size;
  model.vocabulary = d.vocab_size;
  model.has_tied_embeddings = d.tie_word_embeddings;
  model.max_positions = d.max_position_embeddings;
  model.has_learned_positions = d.learned_positions;

  Layer layer;
  layer.norm = d.norm;
  layer.mixer.heads = d.num_attention_heads;
  layer.mixer.kv_heads = d.num_key_value_heads.value_or(d.num_attention_heads);
  CheckHeads(root, layer.mixer.heads, layer.mixer.kv_heads);
  if (!d.head_dim && d.hidden_size % d.num_attention_heads != 0) {
    root.Fail(
        "num_attention_heads",
        fmt::format("heads must divide the hidden size when head_dim is not stated: {} heads, "
                    "hidden size {}",
                    d.num_attention_heads, d.hidden_size),
        "state head_dim");
  }
  layer.mixer.head_dim = d.head_dim.value_or(d.hidden_size / d.num_attention_heads);
  layer.mixer.v_head_dim = layer.mixer.head_dim;
  layer.mixer.has_qkv_bias = d.bias;
  layer.mixer.has_output_bias = d.bias;

  FeedForward& feed_forward = layer.feed_forward;
  feed_forward.is_gated = d.gated_mlp;
  feed_forward.has_bias = d.bias;
  if (d.num_experts > 0) {
    feed_forward.kind = FeedForwardKind::kMixture;
    feed_forward.experts = d.num_experts;
    feed_forward.experts_per_token = d.num_experts_per_tok;
    feed_forward.shared_intermediate = d.shared_intermediate_size;
    if (d.num_experts_per_tok < 1 || d.num_experts_per_tok > d.num_experts) {
      root.Fail("num_experts_per_tok",
                fmt::format("a token is sent to between 1 and {} experts: {}", d.num_experts,
                            d.num_experts_per_tok));
    }
  }
  const std::optional<int64_t> width =
      d.num_experts > 0 && d.moe_intermediate_size ? d.moe_intermediate_size : d.intermediate_size;
  if (!width) {
    root.Fail("intermediate_size", "missing field: intermediate_size",
              "state intermediate_size, or moe_intermediate_size for a mixture");
  }
  if (d.learned_positions && d.max_position_embeddings == 0) {
    root.Fail("max_position_embeddings", "missing field: max_position_embeddings",
              "learned positions are a table of that many rows");
  }
  feed_forward.intermediate = width.value_or(1);
  for (int64_t i = 0; i < d.num_hidden_layers; ++i) {
    AppendLayer(model, layer);
  }
  return model;
}

}  // namespace ridgeline::workloads

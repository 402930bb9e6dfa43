#include "workloads/hf_fields.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace ridgeline::workloads {

const Node* HfFields::Find(Names names, std::string_view* found) const {
  for (const std::string_view name : names) {
    const Node* node = map_->Find(name);
    if (node != nullptr && !node->is_null()) {
      if (found != nullptr) {
        *found = name;
      }
      return node;
    }
  }
  return nullptr;
}

int64_t HfFields::Integer(Names names, int64_t minimum, int64_t maximum, int64_t stand_in) const {
  std::string_view found;
  const Node* node = Find(names, &found);
  if (node == nullptr) {
    context_.Fail(*map_, fmt::format("missing field: {}", *names.begin()),
                  fmt::format("a model of this type states {}", fmt::join(names, " or ")));
    return stand_in;
  }
  return internal::DecodeInteger(*node, minimum, maximum, context_.Key(found)).value_or(stand_in);
}

int64_t HfFields::Size(Names names, int64_t maximum) const { return Integer(names, 1, maximum, 1); }

int64_t HfFields::SizeOr(Names names, int64_t otherwise, int64_t maximum) const {
  return Find(names) == nullptr ? otherwise : Integer(names, 1, maximum, 1);
}

int64_t HfFields::CountOr(Names names, int64_t otherwise, int64_t maximum) const {
  return Find(names) == nullptr ? otherwise : Integer(names, 0, maximum, 0);
}

bool HfFields::FlagOr(std::string_view name, bool otherwise) const {
  const Node* node = Find({name});
  return node == nullptr ? otherwise
                         : internal::DecodeBool(*node, context_.Key(name)).value_or(otherwise);
}

double HfFields::NumberOr(std::string_view name, double otherwise) const {
  const Node* node = Find({name});
  return node == nullptr ? otherwise
                         : internal::DecodeNumber(*node, context_.Key(name)).value_or(otherwise);
}

std::string HfFields::TextOr(std::string_view name, std::string otherwise) const {
  const Node* node = Find({name});
  if (node == nullptr) {
    return otherwise;
  }
  return internal::DecodeString(*node, context_.Key(name)).value_or(std::move(otherwise));
}

std::vector<std::string> HfFields::Texts(std::string_view name) const {
  const Node* node = Find({name});
  if (node == nullptr) {
    return {};
  }
  return Codec<std::vector<std::string>>::Decode(*node, context_.Key(name))
      .value_or(std::vector<std::string>{});
}

std::vector<int64_t> HfFields::Integers(std::string_view name) const {
  const Node* node = Find({name});
  if (node == nullptr) {
    return {};
  }
  return Codec<std::vector<int64_t>>::Decode(*node, context_.Key(name))
      .value_or(std::vector<int64_t>{});
}

HfFields HfFields::MapOrSelf(std::string_view name) const {
  const Node* node = Find({name});
  if (node == nullptr) {
    return *this;
  }
  if (!node->is_map()) {
    context_.Key(name).Fail(*node, fmt::format("expected a map: {}", name));
    return *this;
  }
  return {*node, context_.Key(name).path, context_.diagnostics};
}

std::vector<HfFields> HfFields::Maps(std::string_view name) const {
  const Node* node = Find({name});
  if (node == nullptr) {
    return {};
  }
  std::vector<HfFields> maps;
  const DecodeContext context = context_.Key(name);
  if (!node->is_list()) {
    context.Fail(*node, fmt::format("expected a list: {}", name));
    return {};
  }
  for (size_t i = 0; i < node->items.size(); ++i) {
    if (!node->items[i].is_map()) {
      context.Index(i).Fail(node->items[i], fmt::format("expected a map in the list: {}", name));
      continue;
    }
    maps.emplace_back(node->items[i], context.Index(i).path, context_.diagnostics);
  }
  return maps;
}

void HfFields::Fail(std::string_view name, std::string message, std::string hint) const {
  const Node* node = map_->Find(name);
  context_.Key(name).Fail(node == nullptr ? *map_ : *node, std::move(message), std::move(hint));
}

namespace {

DType ReadDtype(const HfFields& root, const HfFields& text) {
  std::string name = text.TextOr("torch_dtype", text.TextOr("dtype", ""));
  if (name.empty()) {
    name = root.TextOr("torch_dtype", root.TextOr("dtype", ""));
  }
  if (name == "float16") {
    return DType::kFp16;
  }
  if (name == "float32") {
    return DType::kFp32;
  }
  return DType::kBf16;
}

}  // namespace

Model StartModel(const HfFields& root, const HfFields& text, bool ties_by_default) {
  Model model;
  model.model_type = root.TextOr("model_type", "");
  model.hidden = text.Size({"hidden_size"});
  model.vocabulary = text.Size({"vocab_size"}, kMaxVocabulary);
  model.has_tied_embeddings =
      text.FlagOr("tie_word_embeddings", root.FlagOr("tie_word_embeddings", ties_by_default));
  model.max_positions = text.CountOr({"max_position_embeddings"}, 0, kMaxPositions);
  model.dtype = ReadDtype(root, text);
  if (root.Has("vision_config")) {
    model.notes.emplace_back("vision encoder not modelled");
  }
  return model;
}

int64_t NumLayers(const HfFields& text) { return text.Size({"num_hidden_layers"}, kMaxLayers); }

void AppendLayer(Model& model, const Layer& layer) {
  const auto found = std::find(model.kinds.begin(), model.kinds.end(), layer);
  model.layers.push_back(static_cast<int>(found - model.kinds.begin()));
  if (found == model.kinds.end()) {
    model.kinds.push_back(layer);
  }
}

void CheckHeads(const HfFields& text, int64_t heads, int64_t kv_heads) {
  if (heads % kv_heads != 0) {
    text.Fail(
        "num_key_value_heads",
        fmt::format("KV heads must divide the query heads: {} KV heads, {} heads", kv_heads, heads),
        "every KV head serves the same number of query heads");
  }
}

Mixer ReadAttention(const HfFields& text, int64_t hidden) {
  Mixer mixer;
  mixer.kind = MixerKind::kAttention;
  mixer.heads = text.Size({"num_attention_heads"});
  mixer.kv_heads = text.SizeOr({"num_key_value_heads"}, mixer.heads);
  CheckHeads(text, mixer.heads, mixer.kv_heads);
  if (text.Has("head_dim")) {
    mixer.head_dim = text.Size({"head_dim"});
  } else {
    mixer.head_dim = std::max<int64_t>(1, hidden / mixer.heads);
    if (hidden % mixer.heads != 0) {
      text.Fail("num_attention_heads",
                fmt::format("heads must divide the hidden size when head_dim is not stated: {} "
                            "heads, hidden size {}",
                            mixer.heads, hidden),
                "state head_dim");
    }
  }
  mixer.v_head_dim = mixer.head_dim;
  mixer.has_qkv_bias = text.FlagOr("attention_bias", false);
  mixer.has_output_bias = mixer.has_qkv_bias;
  return mixer;
}

namespace {

template <class T>
std::vector<T> ByLayer(const HfFields& text, std::string_view name, int64_t layers,
                       std::vector<T> values) {
  if (!values.empty() && std::ssize(values) < layers) {
    text.Fail(name, fmt::format("{} must have an entry for every layer: {} entries, {} layers",
                                name, values.size(), layers));
    values.clear();
  }
  return values;
}

}  // namespace

std::vector<std::string> TextByLayer(const HfFields& text, std::string_view name, int64_t layers) {
  return ByLayer(text, name, layers, text.Texts(name));
}

std::vector<int64_t> IntegerByLayer(const HfFields& text, std::string_view name, int64_t layers) {
  return ByLayer(text, name, layers, text.Integers(name));
}

}  // namespace ridgeline::workloads

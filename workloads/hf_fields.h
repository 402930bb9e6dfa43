/// Reading single fields of a Hugging Face config.json: sizes with bounds, defaults, alternatives
/// in name. Errors go to a Diagnostics with the field's place, so that one reading reports them
/// all; the value returned then is a harmless stand-in and the model is thrown away.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/config_reader.h"
#include "base/document.h"
#include "workloads/model.h"

namespace ridgeline::workloads {

/// Largest size a field may state. Generous against any published model, small enough that products
/// of a few stay far from the ends of int64.
inline constexpr int64_t kMaxDimension = int64_t{1} << 20;
inline constexpr int64_t kMaxVocabulary = int64_t{1} << 24;
inline constexpr int64_t kMaxPositions = int64_t{1} << 40;
inline constexpr int64_t kMaxLayers = 4096;

/// One map of a config: the whole, or its `text_config`.
class HfFields {
 public:
  using Names = std::initializer_list<std::string_view>;

  /// `map` and `diagnostics` must outlive this.
  HfFields(const Node& map, std::string path, Diagnostics* diagnostics)
      : map_(&map), context_{std::move(path), diagnostics} {}

  /// True when the field is there and not null.
  bool Has(std::string_view name) const { return Find({name}) != nullptr; }

  /// A size of at least 1. The first of several names that is there counts.
  int64_t Size(Names names, int64_t maximum = kMaxDimension) const;
  int64_t SizeOr(Names names, int64_t otherwise, int64_t maximum = kMaxDimension) const;
  /// A size of at least 0, `otherwise` when absent or null.
  int64_t CountOr(Names names, int64_t otherwise, int64_t maximum = kMaxDimension) const;
  bool FlagOr(std::string_view name, bool otherwise) const;
  double NumberOr(std::string_view name, double otherwise) const;
  std::string TextOr(std::string_view name, std::string otherwise) const;
  /// Lists of texts or integers; empty when absent.
  std::vector<std::string> Texts(std::string_view name) const;
  std::vector<int64_t> Integers(std::string_view name) const;
  /// The nested map under `name`, or this one when there is none.
  HfFields MapOrSelf(std::string_view name) const;
  /// The maps of a list of maps; empty when absent.
  std::vector<HfFields> Maps(std::string_view name) const;

  /// Reports an error at a field's place (the map's when the field is absent).
  void Fail(std::string_view name, std::string message, std::string hint = {}) const;

  const Node& map() const { return *map_; }
  const DecodeContext& context() const { return context_; }

 private:
  const Node* Find(Names names, std::string_view* found = nullptr) const;
  int64_t Integer(Names names, int64_t minimum, int64_t maximum, int64_t stand_in) const;

  const Node* map_;
  DecodeContext context_;
};

/// What every config states: hidden_size, vocab_size, tie_word_embeddings, positions, data type.
/// The layers are left to the family's reader. `root` is asked for what `text` lacks.
Model StartModel(const HfFields& root, const HfFields& text, bool ties_by_default);

/// num_hidden_layers, within kMaxLayers.
int64_t NumLayers(const HfFields& text);

/// Appends a layer; equal layers share one kind.
void AppendLayer(Model& model, const Layer& layer);

/// Multi-head or grouped-query attention by the usual names: num_attention_heads,
/// num_key_value_heads (absent: as many as heads), head_dim (absent: hidden_size / heads),
/// attention_bias (of all four projections). Checks that the KV heads divide the heads.
Mixer ReadAttention(const HfFields& text, int64_t hidden);

/// Checks that `kv_heads` divides `heads` and reports at num_key_value_heads.
void CheckHeads(const HfFields& text, int64_t heads, int64_t kv_heads);

/// The entries of a list by layer, checked to be as many as layers; empty when absent.
std::vector<std::string> TextByLayer(const HfFields& text, std::string_view name, int64_t layers);
std::vector<int64_t> IntegerByLayer(const HfFields& text, std::string_view name, int64_t layers);

}  // namespace ridgeline::workloads

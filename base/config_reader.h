/// Document -> struct, by tables.
///
/// A Schema<T> lists the keys of a struct once: name, member, whether required, limits and meaning.
/// From this one table come the decoding of files, `--set` paths, `check`, `explain` and the
/// errors: unknown key (with did-you-mean), duplicate key (with both places), missing key, wrong
/// type, missing unit, out of range. Every error of a document is reported at once.
///
///     struct Fabric { BytesPerSecond bandwidth; double oversubscription = 1; };
///     const Schema<Fabric>& SchemaOf(Tag<Fabric>) {
///       static const Schema<Fabric> schema = Schema<Fabric>("a network between nodes")
///           .Required("bandwidth", &Fabric::bandwidth, "of one NIC port, each way", {.above =
///           BytesPerSecond{}}) .Optional("oversubscription", &Fabric::oversubscription, "downlink
///           over uplink of a leaf", {.at_least = 1.0});
///       return schema;
///     }
///     ASSIGN_OR_RETURN(Fabric fabric, Decode<Fabric>(node));
///
/// A member's default is its initialiser: Optional reads it from T{}. What a type decodes from is
/// its Codec; there are codecs for bool, integers, double, std::string, DType, every Quantity,
/// UsDollars, Ratio, enums with EnumNames, std::optional, std::vector, std::map<std::string, U>,
/// Reference<U> and any struct with a Schema.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "base/document.h"
#include "base/dtype.h"
#include "base/result.h"
#include "base/units.h"
#include "base/units_text.h"

namespace ridgeline {

/// Selects an overload by type without a value of it.
template <class T>
struct Tag {};

/// A dimensionless number that may be written as a percentage: 0.85 or 85 %.
struct Ratio {
  double value = 0.0;
  friend auto operator<=>(const Ratio&, const Ratio&) = default;
};

/// A thing that stands in configs/ under a name, or is given inline, or inline over a named base
/// (`{base: NAME, ...}`). `base` is the only key that a Reference adds to U's own.
template <class U>
struct Reference {
  std::string name;                // as written; empty when inline without a base
  std::optional<Node> inline_map;  // the inline keys, decoded by whoever resolves the base first
  SourceLocation where;
  std::string path;  // of the key that holds it, for errors found when it is resolved
  bool is_set() const { return !name.empty() || inline_map.has_value(); }
  // The name and the inline text make it; where it stood does not. `path` is part of where.
  friend bool operator==(const Reference& a, const Reference& b) {
    return a.name == b.name && a.inline_map.has_value() == b.inline_map.has_value() &&
           (!a.inline_map || WriteYaml(*a.inline_map) == WriteYaml(*b.inline_map));
  }
};

struct SchemaInfo;

/// What `explain` shows of one key.
struct KeyInfo {
  std::string name;
  std::string type;  // "integer", "time", "bandwidth", "one of ...", "list of integer", "map"
  std::string unit_example;   // "a time, such as 20 us"; empty when none
  std::string default_value;  // as it would be written; empty when required
  std::string range;          // "at least 1"; empty when any
  std::string meaning;
  bool is_required = false;
  std::vector<std::string> choices;
  const SchemaInfo* nested =
      nullptr;  // keys below, for structs, lists and maps of structs and references
};

struct SchemaInfo {
  std::string meaning;
  std::vector<KeyInfo> keys;
};

/// Bounds for a number or a quantity; unset ones do not bind. NaN and infinities never decode.
template <class M>
struct Limits {
  std::optional<M> at_least = std::nullopt;
  std::optional<M> above = std::nullopt;
  std::optional<M> at_most = std::nullopt;
};

/// Names of an enum's values: specialise `EnumNames(Tag<E>)` beside the enum, found by
/// argument-dependent lookup.
template <class E>
using EnumTable = std::span<const std::pair<std::string_view, E>>;

/// Where decoding stands: the path for messages, and where errors go.
struct DecodeContext {
  std::string path;
  Diagnostics* diagnostics = nullptr;

  DecodeContext Key(std::string_view key) const {
    return {path.empty() ? std::string(key) : path + "." + std::string(key), diagnostics};
  }
  DecodeContext Index(size_t index) const {
    return {path + "[" + std::to_string(index) + "]", diagnostics};
  }
  void Fail(const Node& node, std::string message, std::string hint = {},
            ErrorCode code = ErrorCode::kInvalidArgument) const;
};

/// How an M is read, and how it is explained. Primary template: a struct with a Schema.
template <class M>
struct Codec;

/// Type-erased checks that config_reader.cc words once for all types.
namespace internal {
/// Reports keys that are unknown (did-you-mean from `known`) or repeated. False only when `node` is
/// no map, so that the known keys are still decoded and all errors come at once.
bool CheckKeys(const Node& node, std::span<const std::string> known, const DecodeContext& context);
void FailMissing(const Node& node, const KeyInfo& key, const DecodeContext& context);
void FailRange(const Node& node, std::string_view key, std::string_view range,
               std::string_view written, const DecodeContext& context);
/// Scalars; each reports its own error and returns nullopt.
std::optional<std::string> DecodeString(const Node& node, const DecodeContext& context);
/// A name or a path: text that is not empty.
std::optional<std::string> DecodeName(const Node& node, const DecodeContext& context);
std::optional<bool> DecodeBool(const Node& node, const DecodeContext& context);
std::optional<int64_t> DecodeInteger(const Node& node, int64_t minimum, int64_t maximum,
                                     const DecodeContext& context);
std::optional<double> DecodeNumber(const Node& node, const DecodeContext& context);
std::optional<double> DecodeRatio(const Node& node, const DecodeContext& context);
/// Index into `names`, did-you-mean otherwise.
std::optional<size_t> DecodeChoice(const Node& node, std::span<const std::string_view> names,
                                   std::string_view what, const DecodeContext& context);
std::optional<UsDollars> DecodeUsDollars(const Node& node, const DecodeContext& context);
/// The scalar's text, or "expected a time, such as 20 us: a list".
std::optional<std::string> DecodeQuantityText(const Node& node, std::string_view example,
                                              const DecodeContext& context);
template <class Q>
std::optional<Q> DecodeQuantity(const Node& node, const DecodeContext& context) {
  const std::optional<std::string> text = DecodeQuantityText(node, QuantityExample<Q>(), context);
  if (!text) {
    return std::nullopt;
  }
  Result<Q> value = ParseQuantity<Q>(*text);
  if (!value) {
    context.Fail(node, std::move(value.error().message), std::move(value.error().hint),
                 value.error().code);
    return std::nullopt;
  }
  return *value;
}
}  // namespace internal

/// The table of keys of T.
template <class T>
class Schema {
 public:
  explicit Schema(std::string meaning) { info_->meaning = std::move(meaning); }

  template <class M>
  Schema& Required(std::string key, M T::* member, std::string meaning, Limits<M> limits = {}) {
    return Add(std::move(key), member, std::move(meaning), std::move(limits), true);
  }
  template <class M>
  Schema& Optional(std::string key, M T::* member, std::string meaning, Limits<M> limits = {}) {
    return Add(std::move(key), member, std::move(meaning), std::move(limits), false);
  }
  /// Accepts any value under `key` and keeps it undecoded (for keys that another reader owns).
  /// A rule over several keys; reports through the context. Runs only when the keys themselves
  /// decoded.
  Schema& Rule(std::function<void(const T&, const Node&, const DecodeContext&)> rule) {
    rules_.push_back(std::move(rule));
    return *this;
  }

  /// Fills `value` from `node`, which may hold only some keys; errors go to the context. True when
  /// there were none.
  bool DecodeInto(const Node& node, T& value, const DecodeContext& context) const {
    const size_t before = context.diagnostics->size();
    if (!internal::CheckKeys(node, known_, context)) {
      return false;
    }
    for (size_t i = 0; i < fields_.size(); ++i) {
      const Node* child = node.Find(known_[i]);
      if (child == nullptr) {
        if (info_->keys[i].is_required) {
          internal::FailMissing(node, info_->keys[i], context);
        }
        continue;
      }
      fields_[i](*child, value, context.Key(known_[i]));
    }
    if (context.diagnostics->size() == before) {
      for (const auto& rule : rules_) {
        rule(value, node, context);
      }
    }
    return context.diagnostics->size() == before;
  }

  const SchemaInfo& info() const { return *info_; }

 private:
  template <class M>
  Schema& Add(std::string key, M T::* member, std::string meaning, Limits<M> limits,
              bool is_required) {
    KeyInfo info;
    info.name = key;
    info.meaning = std::move(meaning);
    info.is_required = is_required;
    Codec<M>::Explain(info);
    if (!is_required) {
      info.default_value = Codec<M>::Write(T{}.*member);
    }
    info.range = RangeText(limits);
    const std::string range = info.range;
    known_.push_back(key);
    info_->keys.push_back(std::move(info));
    fields_.push_back([member, limits, range, key = std::move(key)](const Node& node, T& value,
                                                                    const DecodeContext& context) {
      std::optional<M> decoded = Codec<M>::Decode(node, context);
      if (!decoded) {
        return;
      }
      if (!WithinLimits(*decoded, limits)) {
        internal::FailRange(node, key, range, Codec<M>::Write(*decoded), context);
        return;
      }
      value.*member = *std::move(decoded);
    });
    return *this;
  }

  template <class M>
  static bool WithinLimits(const M& value, const Limits<M>& limits) {
    if constexpr (requires { value < value; }) {
      return (!limits.at_least || !(value < *limits.at_least)) &&
             (!limits.above || *limits.above < value) &&
             (!limits.at_most || !(*limits.at_most < value));
    } else {
      return true;
    }
  }
  template <class M>
  static std::string RangeText(const Limits<M>& limits) {
    std::string text;
    const auto append = [&text](std::string_view word, const std::optional<M>& bound) {
      if (bound) {
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", word, Codec<M>::Write(*bound));
      }
    };
    append("at least", limits.at_least);
    append("above", limits.above);
    append("at most", limits.at_most);
    return text;
  }

  // One table for the program's life; shared because Codec::Explain of an outer schema points at
  // it.
  std::shared_ptr<SchemaInfo> info_ = std::make_shared<SchemaInfo>();
  std::vector<std::string> known_;
  std::vector<std::function<void(const Node&, T&, const DecodeContext&)>> fields_;
  std::vector<std::function<void(const T&, const Node&, const DecodeContext&)>> rules_;
};

/// Decodes a whole document (or part) into a T; all errors in one Error.
template <class T>
Result<T> Decode(const Node& node, std::string path = {}) {
  Diagnostics diagnostics;
  T value{};
  SchemaOf(Tag<T>{}).DecodeInto(node, value, DecodeContext{std::move(path), &diagnostics});
  RETURN_IF_ERROR(diagnostics.Take());
  return value;
}

/// The key at `path` ("cluster.fabric.bandwidth", list indices ignored); nullptr when there is
/// none. `nearest` gets the closest existing path.
const KeyInfo* FindKey(const SchemaInfo& root, std::string_view path,
                       std::string* nearest = nullptr);

}  // namespace ridgeline

#include "base/config_codecs.h"

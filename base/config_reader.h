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

// ---- codecs
// -------------------------------------------------------------------------------------------------------------

template <class M>
struct Codec {
  static std::optional<M> Decode(const Node& node, const DecodeContext& context) {
    if constexpr (std::is_enum_v<M>) {
      const EnumTable<M> table = EnumNames(Tag<M>{});
      std::vector<std::string_view> names;
      for (const auto& [name, value] : table) {
        names.push_back(name);
      }
      const std::optional<size_t> index = internal::DecodeChoice(node, names, "choice", context);
      return index ? std::optional<M>(table[*index].second) : std::nullopt;
    } else {
      M value{};
      return SchemaOf(Tag<M>{}).DecodeInto(node, value, context)
                 ? std::optional<M>(std::move(value))
                 : std::nullopt;
    }
  }
  static void Explain(KeyInfo& info) {
    if constexpr (std::is_enum_v<M>) {
      info.type = "choice";
      for (const auto& [name, value] : EnumNames(Tag<M>{})) {
        info.choices.emplace_back(name);
      }
    } else {
      info.type = "map";
      info.nested = &SchemaOf(Tag<M>{}).info();
    }
  }
  static std::string Write(const M& value) {
    if constexpr (std::is_enum_v<M>) {
      for (const auto& [name, candidate] : EnumNames(Tag<M>{})) {
        if (candidate == value) {
          return std::string(name);
        }
      }
    }
    return {};
  }
};

template <>
struct Codec<bool> {
  static std::optional<bool> Decode(const Node& node, const DecodeContext& context) {
    return internal::DecodeBool(node, context);
  }
  static void Explain(KeyInfo& info) { info.type = "true or false"; }
  static std::string Write(bool value) { return value ? "true" : "false"; }
};

template <class I>
  requires(std::is_integral_v<I> && !std::is_same_v<I, bool>)
struct Codec<I> {
  static std::optional<I> Decode(const Node& node, const DecodeContext& context) {
    // The upper half of uint64 is out of reach: nothing that is counted here gets there.
    constexpr auto kMaximum = static_cast<int64_t>(
        std::min<uint64_t>(static_cast<uint64_t>(std::numeric_limits<I>::max()),
                           static_cast<uint64_t>(std::numeric_limits<int64_t>::max())));
    const std::optional<int64_t> value = internal::DecodeInteger(
        node, static_cast<int64_t>(std::numeric_limits<I>::min()), kMaximum, context);
    return value ? std::optional<I>(static_cast<I>(*value)) : std::nullopt;
  }
  static void Explain(KeyInfo& info) { info.type = "integer"; }
  static std::string Write(I value) { return std::to_string(value); }
};

template <>
struct Codec<double> {
  static std::optional<double> Decode(const Node& node, const DecodeContext& context) {
    return internal::DecodeNumber(node, context);
  }
  static void Explain(KeyInfo& info) { info.type = "number"; }
  static std::string Write(double value) { return fmt::format("{}", value); }
};

template <>
struct Codec<Ratio> {
  static std::optional<Ratio> Decode(const Node& node, const DecodeContext& context) {
    const std::optional<double> value = internal::DecodeRatio(node, context);
    return value ? std::optional<Ratio>(Ratio{*value}) : std::nullopt;
  }
  static void Explain(KeyInfo& info) {
    info.type = "ratio";
    info.unit_example = "0.85 or 85 %";
  }
  static std::string Write(Ratio value) { return fmt::format("{}", value.value); }
};

template <>
struct Codec<std::string> {
  static std::optional<std::string> Decode(const Node& node, const DecodeContext& context) {
    return internal::DecodeString(node, context);
  }
  static void Explain(KeyInfo& info) { info.type = "text"; }
  static std::string Write(const std::string& value) { return value; }
};

template <>
struct Codec<DType> {
  static std::optional<DType> Decode(const Node& node, const DecodeContext& context) {
    const std::optional<size_t> index =
        internal::DecodeChoice(node, DTypeNames(), "data type", context);
    return index ? std::optional<DType>(static_cast<DType>(*index)) : std::nullopt;
  }
  static void Explain(KeyInfo& info) {
    info.type = "data type";
    for (const std::string_view name : DTypeNames()) {
      info.choices.emplace_back(name);
    }
  }
  static std::string Write(DType value) { return std::string(DTypeName(value)); }
};

template <int S, int B, int F, int J>
struct Codec<Quantity<S, B, F, J>> {
  using Q = Quantity<S, B, F, J>;
  static std::optional<Q> Decode(const Node& node, const DecodeContext& context) {
    return internal::DecodeQuantity<Q>(node, context);
  }
  static void Explain(KeyInfo& info) {
    info.type = std::string(QuantityName<Q>());
    info.unit_example = std::string(QuantityExample<Q>());
  }
  static std::string Write(Q value) { return FormatRoundTrip(value); }
};

template <>
struct Codec<UsDollars> {
  static std::optional<UsDollars> Decode(const Node& node, const DecodeContext& context) {
    return internal::DecodeUsDollars(node, context);
  }
  static void Explain(KeyInfo& info) {
    info.type = "money";
    info.unit_example = "an amount of money, such as 2.50 USD";
  }
  static std::string Write(UsDollars value) { return fmt::format("{} USD", value.amount); }
};

template <class M>
struct Codec<std::optional<M>> {
  static std::optional<std::optional<M>> Decode(const Node& node, const DecodeContext& context) {
    if (node.is_null()) {
      return std::optional<std::optional<M>>(std::in_place);
    }
    std::optional<M> value = Codec<M>::Decode(node, context);
    return value ? std::optional<std::optional<M>>(std::move(value)) : std::nullopt;
  }
  static void Explain(KeyInfo& info) { Codec<M>::Explain(info); }
  static std::string Write(const std::optional<M>& value) {
    return value ? Codec<M>::Write(*value) : std::string{};
  }
};

template <class M>
struct Codec<std::vector<M>> {
  static std::optional<std::vector<M>> Decode(const Node& node, const DecodeContext& context) {
    if (!node.is_list()) {
      context.Fail(node, "expected a list", "write [a, b] or one '- item' a line");
      return std::nullopt;
    }
    std::vector<M> values;
    bool is_ok = true;
    for (size_t i = 0; i < node.items.size(); ++i) {
      std::optional<M> value = Codec<M>::Decode(node.items[i], context.Index(i));
      if (value) {
        values.push_back(*std::move(value));
      } else {
        is_ok = false;
      }
    }
    return is_ok ? std::optional<std::vector<M>>(std::move(values)) : std::nullopt;
  }
  static void Explain(KeyInfo& info) {
    Codec<M>::Explain(info);
    info.type = "list of " + info.type;
  }
  static std::string Write(const std::vector<M>& values) {
    std::string text = "[";
    for (const M& value : values) {
      text += (text.size() > 1 ? ", " : "") + Codec<M>::Write(value);
    }
    return text + "]";
  }
};

template <class M>
struct Codec<std::map<std::string, M>> {
  static std::optional<std::map<std::string, M>> Decode(const Node& node,
                                                        const DecodeContext& context) {
    if (!node.is_map()) {
      context.Fail(node, "expected a map of names");
      return std::nullopt;
    }
    std::vector<std::string> names;
    for (const Node::Entry& entry : node.entries) {
      names.push_back(entry.key);
    }
    bool is_ok = internal::CheckKeys(node, names, context);
    std::map<std::string, M> values;
    for (const Node::Entry& entry : node.entries) {
      std::optional<M> value = Codec<M>::Decode(entry.value, context.Key(entry.key));
      if (value) {
        values.insert_or_assign(entry.key, *std::move(value));
      } else {
        is_ok = false;
      }
    }
    return is_ok ? std::optional<std::map<std::string, M>>(std::move(values)) : std::nullopt;
  }
  static void Explain(KeyInfo& info) {
    Codec<M>::Explain(info);
    info.type = "map of names to " + info.type;
  }
  static std::string Write(const std::map<std::string, M>& values) {
    return values.empty() ? "{}" : "{...}";
  }
};

template <class U>
struct Codec<Reference<U>> {
  static std::optional<Reference<U>> Decode(const Node& node, const DecodeContext& context) {
    Reference<U> reference;
    reference.where = node.where;
    reference.path = context.path;
    std::optional<std::string> name;
    if (node.is_map()) {
      // `base` is taken out; a second `base` stays and is refused with the unknown keys of U.
      reference.inline_map = node;
      auto& entries = reference.inline_map->entries;
      const auto base = std::find_if(entries.begin(), entries.end(),
                                     [](const Node::Entry& entry) { return entry.key == "base"; });
      if (base == entries.end()) {
        return reference;
      }
      name = internal::DecodeName(base->value, context.Key("base"));
      entries.erase(base);
    } else {
      name = internal::DecodeName(node, context);
    }
    if (!name) {
      return std::nullopt;
    }
    reference.name = *std::move(name);
    return reference;
  }
  static void Explain(KeyInfo& info) {
    info.type = "name, path or map";
    if constexpr (requires { SchemaOf(Tag<U>{}); }) {
      info.nested = &SchemaOf(Tag<U>{}).info();
    }
  }
  static std::string Write(const Reference<U>& value) { return value.name; }
};

}  // namespace ridgeline

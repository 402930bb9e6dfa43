/// How each type of member is read from a document, explained, and written back: the codecs that
/// the tables of config_reader.h find by type. Include config_reader.h, which includes this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/config_reader.h"

namespace ridgeline {

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

#include "base/config_reader.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

#include "base/nearest_name.h"

namespace ridgeline {

void DecodeContext::Fail(const Node& node, std::string message, std::string hint,
                         ErrorCode code) const {
  Error error = {
      .code = code, .message = std::move(message), .hint = std::move(hint), .path = path};
  if (node.where.source != nullptr) {
    error.where = node.where;
  }
  diagnostics->Add(std::move(error));
}

namespace internal {
namespace {

/// A value as it was written, short enough for a message.
std::string Written(const Node& node) {
  constexpr size_t kLongest = 60;
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
    case Node::Kind::kScalar:
      break;
  }
  std::string text = node.scalar;
  if (text.size() > kLongest) {
    size_t end = kLongest;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
      --end;
    }
    text = text.substr(0, end) + "...";
  }
  return node.is_quoted ? fmt::format("\"{}\"", text) : text;
}

std::optional<SourceLocation> PlaceOf(const SourceLocation& where) {
  return where.source == nullptr ? std::nullopt : std::optional<SourceLocation>(where);
}

/// True when `node` is a bare scalar; else says what was expected.
bool IsBare(const Node& node, std::string_view expected, const DecodeContext& context) {
  if (node.is_scalar() && !node.is_quoted) {
    return true;
  }
  context.Fail(node, fmt::format("expected {}: {}", expected, Written(node)),
               node.is_scalar() ? "leave out the quotes" : "");
  return false;
}

/// What to write for a key that is missing.
std::string ExampleOf(const KeyInfo& key) {
  constexpr std::string_view kSuchAs = "such as ";
  if (!key.choices.empty()) {
    return key.choices.front();
  }
  if (const size_t at = key.unit_example.find(kSuchAs); at != std::string::npos) {
    return key.unit_example.substr(at + kSuchAs.size());
  }
  if (!key.unit_example.empty()) {
    return key.unit_example;
  }
  if (key.type == "integer") {
    return "8";
  }
  if (key.type == "number") {
    return "1.5";
  }
  if (key.type == "true or false") {
    return "true";
  }
  return key.type.starts_with("list of") ? "[...]" : key.type == "map" ? "{...}" : "NAME";
}

template <class T>
std::optional<T> Report(Result<T> value, const Node& node, const DecodeContext& context) {
  if (value) {
    return *value;
  }
  context.Fail(node, std::move(value.error().message), std::move(value.error().hint),
               value.error().code);
  return std::nullopt;
}

}  // namespace

bool CheckKeys(const Node& node, std::span<const std::string> known, const DecodeContext& context) {
  if (!node.is_map()) {
    std::string hint;
    for (size_t i = 0; i < known.size() && i < 12; ++i) {
      hint += (i == 0 ? "its keys: " : ", ") + known[i];
    }
    context.Fail(node, fmt::format("expected a map: {}", Written(node)), std::move(hint));
    return false;
  }
  // By name: a document may hold a million keys.
  std::unordered_map<std::string_view, const Node::Entry*> first_of_name;
  for (const Node::Entry& entry : node.entries) {
    Error error = {.code = ErrorCode::kInvalidArgument,
                   .message = {},
                   .where = PlaceOf(entry.key_where),
                   .path = context.path};
    if (const auto [first, is_new] = first_of_name.try_emplace(entry.key, &entry); !is_new) {
      error.message = fmt::format("duplicate key: {}", entry.key);
      error.hint = "keep one of them";
      error.notes.push_back({.message = fmt::format("{} is first set here", entry.key),
                             .where = PlaceOf(first->second->key_where)});
      context.diagnostics->Add(std::move(error));
    } else if (std::find(known.begin(), known.end(), entry.key) == known.end()) {
      error.message = fmt::format("unknown key: {}", entry.key);
      error.hint = SuggestName(entry.key, known);
      context.diagnostics->Add(std::move(error));
    }
  }
  return true;
}

void FailMissing(const Node& node, const KeyInfo& key, const DecodeContext& context) {
  context.Fail(node, fmt::format("missing key: {}", key.name),
               fmt::format("add {}: {} ({})", key.name, ExampleOf(key), key.meaning));
}

void FailRange(const Node& node, std::string_view key, std::string_view range,
               std::string_view written, const DecodeContext& context) {
  context.Fail(node,
               fmt::format("{} must be {}: {}", key, range,
                           node.is_scalar() ? Written(node) : std::string(written)),
               {}, ErrorCode::kOutOfRange);
}

std::optional<std::string> DecodeString(const Node& node, const DecodeContext& context) {
  if (!node.is_scalar()) {
    context.Fail(node, fmt::format("expected text: {}", Written(node)));
    return std::nullopt;
  }
  return node.scalar;
}

std::optional<std::string> DecodeQuantityText(const Node& node, std::string_view example,
                                              const DecodeContext& context) {
  if (!node.is_scalar()) {
    context.Fail(node, fmt::format("expected {}: {}", example, Written(node)));
    return std::nullopt;
  }
  return node.scalar;
}

std::optional<std::string> DecodeName(const Node& node, const DecodeContext& context) {
  if (!node.is_scalar() || node.scalar.empty()) {
    context.Fail(node, fmt::format("expected a name, a path or a map: {}", Written(node)));
    return std::nullopt;
  }
  return node.scalar;
}

std::optional<bool> DecodeBool(const Node& node, const DecodeContext& context) {
  if (!IsBare(node, "true or false", context)) {
    return std::nullopt;
  }
  if (node.scalar == "true" || node.scalar == "false") {
    return node.scalar == "true";
  }
  std::string folded;
  for (const char c : node.scalar) {
    folded += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  const bool is_yes = folded == "yes" || folded == "on" || folded == "true" || folded == "1";
  const bool is_no = folded == "no" || folded == "off" || folded == "false" || folded == "0";
  context.Fail(node, fmt::format("expected true or false: {}", Written(node)),
               is_yes  ? "write true"
               : is_no ? "write false"
                       : "");
  return std::nullopt;
}

std::optional<int64_t> DecodeInteger(const Node& node, int64_t minimum, int64_t maximum,
                                     const DecodeContext& context) {
  if (!IsBare(node, "a whole number", context)) {
    return std::nullopt;
  }
  const std::optional<int64_t> value = Report(ParseInteger(node.scalar), node, context);
  if (value && (*value < minimum || *value > maximum)) {
    context.Fail(node, fmt::format("number out of range: {}", Written(node)),
                 fmt::format("from {} to {}", minimum, maximum), ErrorCode::kOutOfRange);
    return std::nullopt;
  }
  return value;
}

std::optional<double> DecodeNumber(const Node& node, const DecodeContext& context) {
  return IsBare(node, "a number", context) ? Report(ParseNumber(node.scalar), node, context)
                                           : std::nullopt;
}

std::optional<double> DecodeRatio(const Node& node, const DecodeContext& context) {
  // JSON can write 85 % in quotes only; a quoted bare number stays text.
  if (node.is_scalar() && node.is_quoted && node.scalar.ends_with('%')) {
    return Report(ParseRatio(node.scalar), node, context);
  }
  return IsBare(node, "a ratio, such as 0.85 or 85 %", context)
             ? Report(ParseRatio(node.scalar), node, context)
             : std::nullopt;
}

std::optional<UsDollars> DecodeUsDollars(const Node& node, const DecodeContext& context) {
  const std::optional<std::string> text =
      DecodeQuantityText(node, "an amount of money, such as 2.50 USD", context);
  return text ? Report(ParseUsDollars(*text), node, context) : std::nullopt;
}

std::optional<size_t> DecodeChoice(const Node& node, std::span<const std::string_view> names,
                                   std::string_view what, const DecodeContext& context) {
  const std::vector<std::string> candidates(names.begin(), names.end());
  if (!node.is_scalar()) {
    context.Fail(node, fmt::format("expected a {}: {}", what, Written(node)),
                 SuggestName({}, candidates));
    return std::nullopt;
  }
  const auto found = std::find(names.begin(), names.end(), node.scalar);
  if (found == names.end()) {
    context.Fail(node, fmt::format("unknown {}: {}", what, Written(node)),
                 SuggestName(node.scalar, candidates));
    return std::nullopt;
  }
  return static_cast<size_t>(found - names.begin());
}

}  // namespace internal

namespace {

/// "a.b[2].c" -> a, b, c.
std::vector<std::string> KeysOf(std::string_view path) {
  std::vector<std::string> keys(1);
  bool is_index = false;
  for (const char c : path) {
    is_index = c == '[' || (is_index && c != ']');
    if (c == '.' && !is_index) {
      keys.emplace_back();
    } else if (!is_index && c != ']') {
      keys.back() += c;
    }
  }
  return keys;
}

bool IsMapOfNames(const KeyInfo& key) { return key.type.find("map of names") != std::string::npos; }

/// Every path of the schema that ends in `leaf`. A schema may contain itself: each is entered once.
void CollectPaths(const SchemaInfo& schema, const std::string& prefix, std::string_view leaf,
                  std::set<const SchemaInfo*>& entered, std::vector<std::string>& paths) {
  if (!entered.insert(&schema).second) {
    return;
  }
  for (const KeyInfo& key : schema.keys) {
    const std::string path = prefix + key.name;
    if (key.name == leaf) {
      paths.push_back(path);
    }
    if (key.nested != nullptr) {
      CollectPaths(*key.nested, path + (IsMapOfNames(key) ? ".NAME." : "."), leaf, entered, paths);
    }
  }
  entered.erase(&schema);
}

/// The key of a schema by its name; nullptr when there is none, or no schema.
const KeyInfo* NamedKey(const SchemaInfo* schema, std::string_view name) {
  if (schema == nullptr) {
    return nullptr;
  }
  for (const KeyInfo& key : schema->keys) {
    if (key.name == name) {
      return &key;
    }
  }
  return nullptr;
}

/// The closest existing path to `keys`, whose first `valid` hold below `root` as `prefix` (with its
/// dot) and lead to `schema`; empty when nothing is near.
std::string NearestPath(const SchemaInfo& root, const std::vector<std::string>& keys, size_t valid,
                        const std::string& prefix, const SchemaInfo* schema) {
  std::vector<std::string> names;
  if (schema != nullptr) {
    for (const KeyInfo& key : schema->keys) {
      names.push_back(key.name);
    }
  }
  if (const std::optional<std::string> near = NearestName(keys[valid], names)) {
    const std::string corrected = prefix + *near;
    // The rest of the path, if it holds below the corrected key.
    std::string whole = corrected;
    for (size_t j = valid + 1; j < keys.size(); ++j) {
      whole += "." + keys[j];
    }
    return FindKey(root, whole) != nullptr ? whole : corrected;
  }
  std::vector<std::string> paths;
  std::set<const SchemaInfo*> entered;
  CollectPaths(root, "", keys.back(), entered, paths);
  if (!paths.empty()) {
    // The right key in the wrong place: the shortest of its places.
    return *std::min_element(
        paths.begin(), paths.end(),
        [](const std::string& a, const std::string& b) { return a.size() < b.size(); });
  }
  return prefix.substr(0, prefix.empty() ? 0 : prefix.size() - 1);
}

}  // namespace

const KeyInfo* FindKey(const SchemaInfo& root, std::string_view path, std::string* nearest) {
  const std::vector<std::string> keys = KeysOf(path);
  const SchemaInfo* schema = &root;
  const KeyInfo* found = nullptr;
  std::string prefix;
  for (size_t i = 0; i < keys.size(); ++i) {
    const KeyInfo* next = NamedKey(schema, keys[i]);
    if (next == nullptr && found != nullptr && IsMapOfNames(*found)) {
      // The names of such a map are the user's own: any word stands for one.
      prefix += keys[i] + ".";
      if (++i == keys.size()) {
        return found;
      }
      next = NamedKey(schema, keys[i]);
    }
    if (next == nullptr) {
      if (nearest != nullptr) {
        *nearest = NearestPath(root, keys, i, prefix, schema);
      }
      return nullptr;
    }
    found = next;
    schema = next->nested;
    prefix += keys[i] + ".";
  }
  return found;
}

}  // namespace ridgeline

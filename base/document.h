/// YAML and JSON documents as trees of values that know where they stood.
///
/// A document is parsed once, at the edge; nothing deeper sees text. JSON is read as the subset of
/// YAML that it is. Keys keep their order and duplicates are kept (so that base/config_reader.h can
/// refuse them with both places); anchors and aliases are expanded, up to a limit on the number of
/// values.
///
/// Errors, all with file:line:column where there is one: not found, a directory, empty, larger than
/// kMaxDocumentBytes, not UTF-8 (with the byte's position), a syntax error, nested deeper than
/// kMaxDocumentDepth, more than kMaxDocumentValues.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/source_location.h"

namespace ridgeline {

inline constexpr size_t kMaxDocumentBytes = size_t{4} << 20;
inline constexpr int kMaxDocumentDepth = 64;
inline constexpr size_t kMaxDocumentValues = 1'000'000;
inline constexpr size_t kMaxOverrideValues = 1'000;

/// One value: null, a scalar (kept as the text that was written), a list or a map.
struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry;

  Kind kind = Kind::kNull;
  std::string scalar;          // kScalar: without quotes
  bool is_quoted = false;      // kScalar: "5" in quotes is a string, never a number
  std::vector<Node> items;     // kList
  std::vector<Entry> entries;  // kMap, in order of writing, duplicates included
  SourceLocation where;

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  /// The value of a key; the last one when duplicated; nullptr when absent or not a map.
  const Node* Find(std::string_view key) const;
  Node* Find(std::string_view key);
};

struct Node::Entry {
  std::string key;
  SourceLocation key_where;
  Node value;
};

/// Reads text that stands for itself (a request's document, a test). `name` is used in messages.
Result<Node> ParseDocument(std::string name, std::string text);
/// Reads a file; "-" reads standard input.
Result<Node> ReadDocument(const std::filesystem::path& path);

/// Lays `over` upon `base`: maps merge key by key, everything else replaces. Locations stay with
/// the values.
Node MergeNodes(Node base, const Node& over);

/// The values of a tree, maps and lists themselves included.
size_t NumValues(const Node& node);

/// Sets `a.b.c` to the value written as YAML ("[4, 8]", "400 Gb/s"); `origin` names it in messages
/// ("--set[1]"). List elements are addressed as `a.b[2].c`. Creates missing maps; the decoder then
/// says if a key does not exist. Errors: a path that is none, and more than kMaxOverrideValues.
Status SetPath(Node& root, std::string_view path, std::string_view value, std::string origin);

/// Writes a tree back as YAML that parses to an equal tree (for --dry-run and resolved.yaml).
/// Deterministic.
std::string WriteYaml(const Node& node);

/// Makers for trees that code builds (suite rows, defaults): they carry no location.
Node MakeScalar(std::string text);
Node MakeString(std::string text);  // quoted
Node MakeList(std::vector<Node> items);
Node MakeMap();
void SetKey(Node& map, std::string key, Node value);

}  // namespace ridgeline

// The half of base/document.h that works on trees in memory and needs no YAML library: looking up,
// merging, setting by path, writing.
#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/document.h"
#include "base/yaml_scalar.h"

namespace ridgeline {
namespace {

std::string WriteScalar(const Node& node) {
  return !node.is_quoted && IsPlainYaml(node.scalar) ? node.scalar : QuoteYaml(node.scalar);
}

/// A short list of words and numbers reads best on one line.
std::optional<std::string> WriteInline(const Node& node) {
  constexpr size_t kWidest = 80;
  std::string text = "[";
  for (const Node& item : node.items) {
    const bool is_simple =
        item.is_scalar() &&
        (item.is_quoted ||
         (IsPlainYaml(item.scalar) && item.scalar.find_first_of(",?[]{}:#") == std::string::npos));
    if (!is_simple || text.size() > kWidest) {
      return std::nullopt;
    }
    text += (text.size() > 1 ? ", " : "") + WriteScalar(item);
  }
  return text.size() > kWidest ? std::nullopt : std::optional<std::string>(text + "]");
}

/// Appends `node` as it stands after a key or a dash. `indent` is the column of its own lines;
/// `is_item` when a dash precedes, after which a nested block may begin on the same line.
void Write(const Node& node, size_t indent, bool is_item, std::string& out) {
  const auto begin_line = [&out, indent, is_item](bool is_first) {
    if (is_first && is_item) {
      out += ' ';
    } else {
      out += '\n';
      out.append(indent, ' ');
    }
  };
  switch (node.kind) {
    case Node::Kind::kNull:
      out += " null";
      return;
    case Node::Kind::kScalar:
      out += ' ' + WriteScalar(node);
      return;
    case Node::Kind::kList: {
      if (const std::optional<std::string> text = WriteInline(node)) {
        out += ' ' + *text;
        return;
      }
      bool is_first = true;
      for (const Node& item : node.items) {
        begin_line(is_first);
        is_first = false;
        out += '-';
        Write(item, indent + 2, true, out);
      }
      return;
    }
    case Node::Kind::kMap: {
      if (node.entries.empty()) {
        out += " {}";
        return;
      }
      bool is_first = true;
      for (const Node::Entry& entry : node.entries) {
        begin_line(is_first);
        is_first = false;
        out += WriteYamlKey(entry.key) + ":";
        Write(entry.value, indent + 2, false, out);
      }
      return;
    }
  }
}

/// One step of a path: a key, or an index into a list.
struct Step {
  std::string key;
  std::optional<size_t> index;
};

/// "a.b[2].c"; a key that holds dots stands in quotes: targets."ttft.p99".
Result<std::vector<Step>> SplitPath(std::string_view path) {
  const auto refuse = [path](std::string_view why) {
    return InvalidArgument(fmt::format("{}: {}", why, path),
                           "write keys joined by dots, such as training.parallelism.tp");
  };
  std::vector<Step> steps;
  size_t at = 0;
  while (at < path.size()) {
    if (path[at] == '[') {
      const size_t close = path.find(']', at);
      const std::string_view digits =
          close == std::string_view::npos ? "" : path.substr(at + 1, close - at - 1);
      constexpr size_t kMostDigits = 6;  // kMaxDocumentValues has seven
      if (steps.empty() || digits.empty() || digits.size() > kMostDigits ||
          digits.find_first_not_of("0123456789") != std::string_view::npos) {
        return refuse("not an index into a list");
      }
      steps.push_back({.key = {}, .index = std::stoul(std::string(digits))});
      at = close + 1;
    } else {
      if (!steps.empty()) {
        if (path[at] != '.') {
          return refuse("a dot is missing in the path");
        }
        ++at;
      }
      std::string key;
      if (at < path.size() && path[at] == '"') {
        const size_t close = path.find('"', at + 1);
        if (close == std::string_view::npos) {
          return refuse("a quote is not closed in the path");
        }
        key = path.substr(at + 1, close - at - 1);
        at = close + 1;
      } else {
        const size_t end = std::min(path.find_first_of(".[", at), path.size());
        key = path.substr(at, end - at);
        at = end;
      }
      if (key.empty()) {
        return refuse("an empty key in the path");
      }
      steps.push_back({.key = std::move(key), .index = std::nullopt});
    }
    if (static_cast<int>(steps.size()) > kMaxDocumentDepth) {
      return refuse("path too deep");
    }
  }
  if (steps.empty()) {
    return refuse("an empty path");
  }
  return steps;
}

void Relocate(Node& node, const SourceLocation& where) {
  node.where = where;
  for (Node& item : node.items) {
    Relocate(item, where);
  }
  for (Node::Entry& entry : node.entries) {
    entry.key_where = where;
    Relocate(entry.value, where);
  }
}

int DepthOf(const Node& node) {
  int depth = 0;
  for (const Node& item : node.items) {
    depth = std::max(depth, DepthOf(item));
  }
  for (const Node::Entry& entry : node.entries) {
    depth = std::max(depth, DepthOf(entry.value));
  }
  return node.is_list() || node.is_map() ? depth + 1 : depth;
}

}  // namespace

const Node* Node::Find(std::string_view key) const {
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->key == key) {
      return &entry->value;
    }
  }
  return nullptr;
}

Node* Node::Find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).Find(key)); }

Node MergeNodes(Node base, const Node& over) {
  if (!base.is_map() || !over.is_map()) {
    return over;
  }
  // By name: either side may hold a million keys. Of keys that `base` repeats the first is merged.
  std::unordered_map<std::string, size_t> index_in_base;
  for (size_t i = 0; i < base.entries.size(); ++i) {
    index_in_base.try_emplace(base.entries[i].key, i);
  }
  for (const Node::Entry& entry : over.entries) {
    const auto same = index_in_base.find(entry.key);
    if (same == index_in_base.end()) {
      base.entries.push_back(entry);
      continue;
    }
    Node::Entry& merged = base.entries[same->second];
    merged.value = MergeNodes(std::move(merged.value), entry.value);
    merged.key_where = entry.key_where;
    // Keys that `over` repeats stay repeated, so that the decoder can refuse them.
    index_in_base.erase(same);
  }
  return base;
}

size_t NumValues(const Node& node) {
  size_t values = 1;
  for (const Node& item : node.items) {
    values += NumValues(item);
  }
  for (const Node::Entry& entry : node.entries) {
    values += NumValues(entry.value);
  }
  return values;
}

Status SetPath(Node& root, std::string_view path, std::string_view value, std::string origin) {
  const auto source = std::make_shared<const SourceText>(
      SourceText{std::move(origin), fmt::format("{}={}", path, value)});
  // An override is one short argument: its name says where, a line and column would not.
  const SourceLocation where = {.source = source, .line = 0, .column = 0};
  const auto place = [&where, path](Error error) {
    error.where = where;
    error.path = path;
    for (ErrorNote& note : error.notes) {
      note.where.reset();
    }
    return Fail(std::move(error));
  };
  Result<std::vector<Step>> steps = SplitPath(path);
  if (!steps) {
    return place(std::move(steps).error());
  }
  Node parsed;
  if (value.find_first_not_of(" \t\r\n") != std::string_view::npos) {
    Result<Node> document = ParseDocument(source->name, std::string(value));
    if (!document) {
      return place(std::move(document).error());
    }
    parsed = *std::move(document);
  }
  if (NumValues(parsed) > kMaxOverrideValues) {
    return place({.code = ErrorCode::kInvalidArgument,
                  .message = fmt::format("more than {} values", kMaxOverrideValues),
                  .hint = "write them into a document"});
  }
  Relocate(parsed, where);
  if (static_cast<int>(steps->size()) + DepthOf(parsed) > kMaxDocumentDepth) {
    return place({.code = ErrorCode::kInvalidArgument,
                  .message = fmt::format("nested deeper than {} levels", kMaxDocumentDepth)});
  }
  // First look without touching, so that a refused path leaves the tree as it was.
  Node* node = &root;
  for (const Step& step : *steps) {
    if (step.index) {
      if (node == nullptr || !node->is_list() || *step.index >= node->items.size()) {
        return place({.code = ErrorCode::kInvalidArgument,
                      .message = fmt::format("no such item of a list: [{}]", *step.index)});
      }
      node = &node->items[*step.index];
    } else if (node != nullptr) {
      if (node->is_list()) {
        return place({.code = ErrorCode::kInvalidArgument,
                      .message = fmt::format("a list has no keys: {}", step.key),
                      .hint = "name an item, such as list[0]"});
      }
      node = node->Find(step.key);  // a scalar or nothing is replaced by a map below
    }
  }
  node = &root;
  for (const Step& step : *steps) {
    if (step.index) {
      node = &node->items[*step.index];
      continue;
    }
    if (!node->is_map()) {
      // `fabric: NAME` with fabric.bandwidth set on top means the named thing, changed.
      const bool is_name = node->is_scalar();
      Node map = MakeMap();
      map.where = where;
      if (is_name) {
        map.entries.push_back({.key = "base", .key_where = node->where, .value = *node});
      }
      *node = std::move(map);
    }
    Node* child = node->Find(step.key);
    if (child == nullptr) {
      node->entries.push_back({.key = step.key, .key_where = where, .value = {}});
      child = &node->entries.back().value;
      child->where = where;
    }
    node = child;
  }
  *node = std::move(parsed);
  return {};
}

std::string WriteYaml(const Node& node) {
  // Written as the item of a list that is then taken away: the same rules hold for a root.
  std::string out;
  Write(node, 0, true, out);
  const bool needs_blank = node.is_scalar() && IsYamlMarker(node.scalar);
  return (needs_blank ? out : out.substr(1)) + "\n";
}

Node MakeScalar(std::string text) {
  Node node;
  node.kind = Node::Kind::kScalar;
  node.scalar = std::move(text);
  return node;
}

Node MakeString(std::string text) {
  Node node = MakeScalar(std::move(text));
  node.is_quoted = true;
  return node;
}

Node MakeList(std::vector<Node> items) {
  Node node;
  node.kind = Node::Kind::kList;
  node.items = std::move(items);
  return node;
}

Node MakeMap() {
  Node node;
  node.kind = Node::Kind::kMap;
  return node;
}

void SetKey(Node& map, std::string key, Node value) {
  map.kind = Node::Kind::kMap;
  if (Node* existing = map.Find(key)) {
    *existing = std::move(value);
  } else {
    map.entries.push_back({.key = std::move(key), .key_where = {}, .value = std::move(value)});
  }
}

}  // namespace ridgeline

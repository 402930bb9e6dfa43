#include "hardware/inline_override.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace ridgeline::hardware {
namespace {

using Document = ::ridgeline::Node;

// Keys that say what a thing is called and where its figures come from, and are no figures.
constexpr std::array<std::string_view, 6> kNotFigures = {"name",    "title",  "aliases",
                                                         "sources", "source", "architecture"};

std::string GivenAt(const Document& value) {
  return value.where.source
             ? fmt::format("given in {}:{}", value.where.source->name, value.where.line)
             : std::string("given in the scenario");
}

// A sustained rate that is given in part keeps its other parts, but not its source.
void SourceRates(Document& node) {
  const bool is_rate = node.Find("rate") || node.Find("low") || node.Find("high");
  if (is_rate && node.Find("source") == nullptr) {
    SetKey(node, "source", MakeString(GivenAt(node)));
  }
  for (Document::Entry& entry : node.entries) {
    if (entry.value.is_map()) {
      SourceRates(entry.value);
    }
  }
}

void AddSources(const Document& over, const std::string& path,
                std::span<const std::string_view> reference_keys, Document& sources) {
  for (const Document::Entry& entry : over.entries) {
    const bool is_reference =
        path.empty() && std::ranges::find(reference_keys, entry.key) != reference_keys.end();
    if (is_reference || std::ranges::find(kNotFigures, entry.key) != kNotFigures.end()) {
      continue;
    }
    const std::string key = path.empty() ? entry.key : path + "." + entry.key;
    if (entry.value.is_map()) {
      AddSources(entry.value, key, reference_keys, sources);
    } else if (sources.Find(key) == nullptr) {
      SetKey(sources, key, MakeString(GivenAt(entry.value)));
    }
  }
}

}  // namespace

const Document* ValueAt(const Document& node, std::string_view path) {
  const Document* value = &node;
  while (value != nullptr && !path.empty()) {
    const size_t dot = path.find('.');
    value = value->Find(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  return value;
}

void EraseAt(Document& node, std::string_view path) {
  const size_t dot = path.find('.');
  if (dot == std::string_view::npos) {
    std::erase_if(node.entries, [path](const Document::Entry& entry) { return entry.key == path; });
  } else if (Document* child = node.Find(path.substr(0, dot)); child != nullptr) {
    EraseAt(*child, path.substr(dot + 1));
  }
}

Document LayOver(Document base, const Document& over,
                 std::span<const std::string_view> reference_keys) {
  for (const std::string_view key : reference_keys) {
    Document* named = base.Find(key);
    const Document* given = over.Find(key);
    if (named != nullptr && named->is_scalar() && given != nullptr && given->is_map() &&
        given->Find("base") == nullptr) {
      Document wrapped = MakeMap();
      wrapped.where = named->where;
      SetKey(wrapped, "base", *named);
      *named = std::move(wrapped);
    }
  }
  // What the scenario gives is collected first, so that a source written there wins.
  Document sources = MakeMap();
  if (const Document* own = over.Find("sources"); own != nullptr && own->is_map()) {
    sources = *own;
  }
  AddSources(over, {}, reference_keys, sources);
  Document laid = over;
  SourceRates(laid);
  if (!sources.entries.empty()) {
    EraseAt(laid, "sources");
    SetKey(laid, "sources", std::move(sources));
  }
  return MergeNodes(std::move(base), laid);
}

}  // namespace ridgeline::hardware

#include "sim/report_settings.h"

#include <fmt/format.h>

namespace ridgeline::sim {
namespace {

void Flatten(const Node& node, const std::string& path,
             std::map<std::string, std::string>& settings) {
  if (node.is_map()) {
    for (const Node::Entry& entry : node.entries) {
      Flatten(entry.value, path.empty() ? entry.key : path + "." + entry.key, settings);
    }
  } else if (node.is_list()) {
    for (size_t i = 0; i < node.items.size(); ++i) {
      Flatten(node.items[i], fmt::format("{}[{}]", path, i), settings);
    }
  } else {
    settings[path] = node.is_null() ? "null" : node.scalar;
  }
}

}  // namespace

std::map<std::string, std::string> FlattenSettings(const Node& document) {
  std::map<std::string, std::string> settings;
  Flatten(document, "", settings);
  return settings;
}

}  // namespace ridgeline::sim

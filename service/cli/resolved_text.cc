#include "service/cli/resolved_text.h"

#include <fmt/format.h>

namespace ridgeline::cli {
namespace {

std::string Origin(const Node& node) {
  if (node.where.source == nullptr || node.where.source->name.empty()) {
    return "default";
  }
  const std::string& name = node.where.source->name;
  const bool is_file = node.where.line > 0 && !name.starts_with("--") && name != "default";
  return is_file ? fmt::format("{}:{}:{}", name, node.where.line, node.where.column) : name;
}

/// Scalars and short lists by path, in the order of the document.
void AddLeaves(const Node& node, const std::string& path, report::Table& table) {
  if (node.is_map() && !node.entries.empty()) {
    for (const Node::Entry& entry : node.entries) {
      AddLeaves(entry.value, path.empty() ? entry.key : path + "." + entry.key, table);
    }
    return;
  }
  if (node.is_list()) {
    for (size_t i = 0; i < node.items.size(); ++i) {
      AddLeaves(node.items[i], fmt::format("{}[{}]", path, i), table);
    }
    return;
  }
  table.rows.push_back({path, node.is_scalar() ? node.scalar : "", Origin(node)});
}

}  // namespace

std::string ResolvedText(const sim::Scenario& scenario, report::OutputFormat format) {
  report::Table table{.columns = {{"path"}, {"value"}, {"from"}}, .rows = {}};
  AddLeaves(scenario.resolved, "", table);
  if (format != report::OutputFormat::kTable && format != report::OutputFormat::kWide) {
    return report::RenderTable(table, format);
  }
  std::string text = WriteYaml(scenario.resolved);
  text += text.ends_with('\n') ? "" : "\n";
  text += "# where each value came from\n";
  const std::string rows = report::RenderTable(table, format);
  size_t begin = 0;
  while (begin < rows.size()) {
    const size_t end = rows.find('\n', begin);
    text += "#   " + rows.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return text;
}

}  // namespace ridgeline::cli

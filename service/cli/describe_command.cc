#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/document.h"
#include "base/nearest_name.h"
#include "base/units_text.h"
#include "planner/validation/validate.h"
#include "service/cli/calibration_listing.h"
#include "service/cli/catalog_kinds.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"
#include "service/cli/fabric_description.h"
#include "service/cli/model_description.h"
#include "service/report/table.h"
#include "workloads/model_catalog.h"

namespace ridgeline::cli {
namespace {

using report::Table;

bool IsText(report::OutputFormat format) {
  return format == report::OutputFormat::kTable || format == report::OutputFormat::kWide;
}

/// Where a figure was read: the entry of `sources` for its path or for the nearest path above it.
std::string SourceOf(const std::map<std::string, std::string>& sources, std::string path) {
  while (true) {
    const auto found = sources.find(path);
    if (found != sources.end()) {
      return found->second;
    }
    const size_t dot = path.rfind('.');
    if (dot == std::string::npos) {
      return {};
    }
    path.resize(dot);
  }
}

/// Every figure of a catalog file with its source. A map that has a `source` key (a sustained rate)
/// speaks for the figures beside it.
void AddFigures(const Node& node, const std::string& path,
                const std::map<std::string, std::string>& sources, const std::string& own_source,
                Table& table) {
  if (node.is_map()) {
    const Node* source = node.Find("source");
    const std::string here = source != nullptr && source->is_scalar() ? source->scalar : own_source;
    for (const Node::Entry& entry : node.entries) {
      const bool is_about_figures =
          (path.empty() &&
           (entry.key == "sources" || entry.key == "name" || entry.key == "title")) ||
          entry.key == "source";
      if (!is_about_figures) {
        AddFigures(entry.value, path.empty() ? entry.key : path + "." + entry.key, sources, here,
                   table);
      }
    }
    return;
  }
  if (node.is_list() && node.items.empty()) {
    return;  // no aliases, say
  }
  if (node.is_list() && node.items.front().is_map()) {
    for (size_t i = 0; i < node.items.size(); ++i) {
      std::string line;
      for (const Node::Entry& entry : node.items[i].entries) {
        line += fmt::format("{}{}: {}", line.empty() ? "" : ", ", entry.key, entry.value.scalar);
      }
      table.rows.push_back({fmt::format("{}[{}]", path, i), line, SourceOf(sources, path)});
    }
    return;
  }
  std::string value = node.scalar;
  for (const Node& item : node.items) {
    value += (value.empty() ? "" : ", ") + item.scalar;
  }
  const std::string listed = SourceOf(sources, path);
  table.rows.push_back({path, value, own_source.empty() ? listed : own_source});
}

Result<int> DescribeFile(Session& session, const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const Node document, ReadDocument(path));
  std::map<std::string, std::string> sources;
  if (const Node* node = document.Find("sources")) {
    for (const Node::Entry& entry : node->entries) {
      sources[entry.key] = entry.value.scalar;
    }
  }
  Table table{.columns = {{"figure"}, {"value"}, {"source"}}, .rows = {}};
  AddFigures(document, "", sources, "", table);
  if (IsText(session.line.output)) {
    const Node* title = document.Find("title");
    session.out = fmt::format("{}{}{}\n\n", path.stem().string(), title != nullptr ? ": " : "",
                              title != nullptr ? title->scalar : "");
  }
  session.out += report::RenderTable(table, session.line.output);
  return kExitDone;
}

/// A model's file by name, alias or path.
Result<std::filesystem::path> FindModel(const hardware::Catalog& catalog, const std::string& name) {
  Result<std::filesystem::path> found = catalog.FindOrPath("models", name);
  if (!found) {
    for (const std::filesystem::path& root : catalog.roots()) {
      const auto aliases = workloads::ReadAliases(root / "models" / "aliases.yaml");
      if (aliases && aliases->contains(name)) {
        return catalog.Find("models", aliases->at(name));
      }
    }
  }
  return found;
}

Result<int> DescribeModelFile(Session& session, const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const workloads::Model model,
                   workloads::ReadModelFile(path, path.stem().string()));
  const ModelDescription description = DescribeModel(model);
  if (!IsText(session.line.output)) {
    session.out = report::RenderTable(description.facts, session.line.output);
    return kExitDone;
  }
  session.out = fmt::format("{}\n\n{}\nlayers\n{}", model.name,
                            report::RenderTable(description.facts, session.line.output),
                            report::RenderTable(description.layers, session.line.output));
  for (const std::string& note : model.notes) {
    session.out += fmt::format("note: {}\n", note);
  }
  return kExitDone;
}

}  // namespace

Result<int> Describe(Session& session) {
  ASSIGN_OR_RETURN(const KindInfo* const kind, FindKind(session.line.arguments[0]));
  const std::string& name = session.line.arguments[1];
  if (kind->kind == Kind::kModel) {
    ASSIGN_OR_RETURN(const std::filesystem::path path, FindModel(session.catalog, name));
    return DescribeModelFile(session, path);
  }
  if (kind->kind == Kind::kCalibration) {
    ASSIGN_OR_RETURN(session.out, CalibrationText(session.catalog, name, session.line.output));
    return kExitDone;
  }
  if (kind->kind == Kind::kSuite) {
    const std::vector<std::string> shipped = validation::ShippedSuites(session.catalog);
    if (std::find(shipped.begin(), shipped.end(), name) == shipped.end()) {
      return NotFound("unknown suite: " + name, SuggestName(name, shipped));
    }
    return InvalidArgument("a suite has cases, not figures: " + name,
                           fmt::format("ridgeline validate {} shows each", name));
  }
  ASSIGN_OR_RETURN(const std::filesystem::path path,
                   session.catalog.FindOrPath(kind->folder, name));
  if (session.line.nodes && kind->kind != Kind::kFabric) {
    return InvalidArgument("--nodes is for a fabric, which has none of its own",
                           "a cluster says itself how many nodes it has: count");
  }
  if (session.line.picture != Picture::kNone) {
    ASSIGN_OR_RETURN(session.out, DrawNetwork(session, *kind, name));
    return kExitDone;
  }
  // A fabric that cannot be built is refused before its figures are shown.
  std::string built;
  if (kind->kind == Kind::kFabric || kind->kind == Kind::kCluster) {
    ASSIGN_OR_RETURN(built, DescribeNetwork(session, *kind, name));
  }
  ASSIGN_OR_RETURN(const int code, DescribeFile(session, path));
  if (IsText(session.line.output)) {
    session.out += built;
  }
  return code;
}

}  // namespace ridgeline::cli

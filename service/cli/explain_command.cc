#include <array>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "hardware/cluster.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"
#include "sim/scenario.h"
#include "workloads/framework.h"
#include "workloads/serving_engine.h"
#include "workloads/trace_description.h"

namespace ridgeline::cli {
namespace {

/// What a path may begin with, besides the keys of a scenario: the files of a catalog folder.
struct Root {
  std::string_view name;
  std::string_view folder;
  const SchemaInfo* schema = nullptr;
};

std::vector<Root> Roots() {
  return {{"gpu", "gpus", &SchemaOf(Tag<hardware::Gpu>{}).info()},
          {"node", "nodes", &SchemaOf(Tag<hardware::Node>{}).info()},
          {"fabric", "fabrics", &SchemaOf(Tag<hardware::Fabric>{}).info()},
          {"cluster-file", "clusters", &SchemaOf(Tag<hardware::ClusterDescription>{}).info()},
          {"framework", "frameworks", &SchemaOf(Tag<workloads::Framework>{}).info()},
          {"engine", "engines", &SchemaOf(Tag<workloads::ServingEngine>{}).info()},
          {"trace", "traces", &SchemaOf(Tag<workloads::TraceDescription>{}).info()}};
}

std::string Facts(const KeyInfo& key) {
  std::string facts = key.type;
  if (!key.unit_example.empty()) {
    facts += ": " + key.unit_example;
  }
  if (key.is_required) {
    facts += ", required";
  } else if (!key.default_value.empty()) {
    facts += ", default " + key.default_value;
  }
  if (!key.range.empty()) {
    facts += ", " + key.range;
  }
  return facts;
}

report::Table KeysTable(const std::string& prefix, const SchemaInfo& schema) {
  report::Table table{.columns = {{"key"},
                                  {"type"},
                                  {"unit", report::Align::kLeft, true},
                                  {"default"},
                                  {"range"},
                                  {"choices", report::Align::kLeft, true},
                                  {"meaning"}},
                      .rows = {}};
  for (const KeyInfo& key : schema.keys) {
    table.rows.push_back({prefix.empty() ? key.name : prefix + "." + key.name, key.type,
                          key.unit_example, key.is_required ? "required" : key.default_value,
                          key.range, fmt::format("{}", fmt::join(key.choices, ", ")), key.meaning});
  }
  return table;
}

bool IsText(report::OutputFormat format) {
  return format == report::OutputFormat::kTable || format == report::OutputFormat::kWide;
}

void ShowSchema(Session& session, const std::string& prefix, const SchemaInfo& schema) {
  if (IsText(session.line.output)) {
    session.out += schema.meaning + "\n\n";
  }
  session.out += report::RenderTable(KeysTable(prefix, schema), session.line.output);
}

void ShowKey(Session& session, const std::string& path, const KeyInfo& key) {
  if (!IsText(session.line.output)) {
    const SchemaInfo one{.meaning = "", .keys = {key}};
    report::Table table = KeysTable("", one);
    table.rows.front().front() = path;
    if (key.nested != nullptr) {
      const report::Table below = KeysTable(path, *key.nested);
      table.rows.insert(table.rows.end(), below.rows.begin(), below.rows.end());
    }
    session.out += report::RenderTable(table, session.line.output);
    return;
  }
  session.out += fmt::format("{}   {}\n  {}\n", path, Facts(key), key.meaning);
  if (!key.choices.empty()) {
    session.out += fmt::format("  one of: {}\n", fmt::join(key.choices, ", "));
  }
  if (key.nested != nullptr) {
    session.out += "\n" + report::RenderTable(KeysTable(path, *key.nested), session.line.output);
  }
}

tl::unexpected<Error> UnknownKey(const std::string& path, const std::string& nearest) {
  return InvalidArgument("unknown key: " + path, nearest.empty()
                                                     ? "ridgeline explain lists the top level"
                                                     : fmt::format("did you mean {}?", nearest));
}

}  // namespace

Result<int> Explain(Session& session) {
  if (session.line.arguments.empty()) {
    ShowSchema(session, "", sim::ScenarioSchema());
    if (IsText(session.line.output)) {
      session.out += "\ncatalog files: ";
      for (const Root& root : Roots()) {
        session.out += fmt::format("{} ", root.name);
      }
      session.out += "(ridgeline explain gpu, ridgeline explain gpu.memory.bandwidth)\n";
    }
    return kExitDone;
  }
  const std::string& path = session.line.arguments.front();
  const std::string head = path.substr(0, path.find('.'));
  for (const Root& root : Roots()) {
    if (head != root.name && head != root.folder) {
      continue;
    }
    if (head.size() == path.size()) {
      ShowSchema(session, head, *root.schema);
      return kExitDone;
    }
    std::string nearest;
    const std::string rest = path.substr(head.size() + 1);
    const KeyInfo* key = FindKey(*root.schema, rest, &nearest);
    if (key == nullptr) {
      return UnknownKey(path, nearest.empty() ? "" : head + "." + nearest);
    }
    ShowKey(session, path, *key);
    return kExitDone;
  }
  std::string nearest;
  const KeyInfo* key = FindKey(sim::ScenarioSchema(), path, &nearest);
  if (key == nullptr) {
    return UnknownKey(path, nearest);
  }
  ShowKey(session, path, *key);
  return kExitDone;
}

}  // namespace ridgeline::cli

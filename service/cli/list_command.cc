#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "base/document.h"
#include "base/units_text.h"
#include "hardware/cluster.h"
#include "planner/validation/validate.h"
#include "service/cli/calibration_listing.h"
#include "service/cli/catalog_kinds.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"
#include "service/report/metric_text.h"
#include "workloads/framework.h"
#include "workloads/model_catalog.h"
#include "workloads/serving_engine.h"
#include "workloads/trace_description.h"

namespace ridgeline::cli {
namespace {

using report::Align;
using report::Table;

/// A row's cells after the name, read from an entry's file.
using RowReader = std::function<Result<std::vector<std::string>>(
    const std::string& name, const std::filesystem::path& path, const hardware::Catalog& catalog)>;

template <class T>
Result<T> Read(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const Node document, ReadDocument(path));
  return Decode<T>(document);
}

Result<std::vector<std::string>> GpuRow(const std::string&, const std::filesystem::path& path,
                                        const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const hardware::Gpu gpu, Read<hardware::Gpu>(path));
  const auto peak = hardware::PeakOf(gpu, DType::kBf16);
  return std::vector<std::string>{
      Format(gpu.memory.capacity), Format(gpu.memory.bandwidth),
      peak ? Format(*peak) : "",   gpu.nvlink.links > 0 ? Format(gpu.nvlink.bandwidth) : "none",
      Format(gpu.power),           gpu.title};
}

Result<std::vector<std::string>> NodeRow(const std::string&, const std::filesystem::path& path,
                                         const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const hardware::Node node, Read<hardware::Node>(path));
  ASSIGN_OR_RETURN(const hardware::Gpu gpu, catalog.ResolveGpu(node.gpu));
  return std::vector<std::string>{
      fmt::format("{} x {}", node.gpus, gpu.name),
      node.nics.count > 0 ? fmt::format("{} x {}", node.nics.count, Format(node.nics.bandwidth))
                          : "none",
      Format(node.host_memory), node.title};
}

Result<std::vector<std::string>> FabricRow(const std::string&, const std::filesystem::path& path,
                                           const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const hardware::Fabric fabric, Read<hardware::Fabric>(path));
  return std::vector<std::string>{
      Codec<hardware::FabricKind>::Write(fabric.kind), Format(fabric.bandwidth),
      fmt::format("{:g}:1", fabric.oversubscription * fabric.pod_oversubscription), fabric.title};
}

Result<std::vector<std::string>> ClusterRow(const std::string& name,
                                            const std::filesystem::path& path,
                                            const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const hardware::ClusterDescription description,
                   Read<hardware::ClusterDescription>(path));
  Reference<hardware::ClusterDescription> reference;
  reference.name = name;
  ASSIGN_OR_RETURN(const hardware::Cluster cluster, catalog.ResolveCluster(reference));
  return std::vector<std::string>{std::to_string(cluster.gpus()), cluster.gpu.name,
                                  std::to_string(cluster.nodes), cluster.fabric.name,
                                  description.title};
}

Result<std::vector<std::string>> ModelRow(const std::string& name,
                                          const std::filesystem::path& path,
                                          const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const workloads::Model model, workloads::ReadModelFile(path, name));
  const workloads::ModelParameters parameters = CountParameters(model);
  const double cache_bytes = static_cast<double>(KvElementsPerToken(model)) * 2;
  return std::vector<std::string>{
      fmt::format("{:.4g} B", static_cast<double>(parameters.total) / 1e9),
      fmt::format("{:.4g} B", static_cast<double>(parameters.active) / 1e9),
      std::to_string(model.num_layers()),
      std::to_string(model.hidden),
      Format(Bytes::FromBase(cache_bytes)),
      model.model_type};
}

Result<std::vector<std::string>> FrameworkRow(const std::string&, const std::filesystem::path& path,
                                              const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const workloads::Framework framework, Read<workloads::Framework>(path));
  return std::vector<std::string>{framework.default_sharding, framework.title};
}

Result<std::vector<std::string>> EngineRow(const std::string&, const std::filesystem::path& path,
                                           const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const workloads::ServingEngine engine, Read<workloads::ServingEngine>(path));
  return std::vector<std::string>{engine.version, std::to_string(engine.block_tokens),
                                  engine.title};
}

Result<std::vector<std::string>> LibraryRow(const std::string& name, const std::filesystem::path&,
                                            const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const auto library, catalog.ResolveCollectives(name));
  return std::vector<std::string>{library->version, library->title};
}

Result<std::vector<std::string>> TraceRow(const std::string&, const std::filesystem::path& path,
                                          const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const workloads::TraceDescription trace,
                   Read<workloads::TraceDescription>(path));
  return std::vector<std::string>{std::to_string(trace.requests), Format(trace.span), trace.licence,
                                  trace.title};
}

/// Scenarios and others say what they are in their first line, a comment.
Result<std::vector<std::string>> CommentRow(const std::string&, const std::filesystem::path& path,
                                            const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const Node document, ReadDocument(path));
  std::string first;
  if (document.where.source != nullptr) {
    const std::string& text = document.where.source->text;
    first = text.substr(0, text.find('\n'));
  }
  return std::vector<std::string>{first.starts_with("# ") ? first.substr(2) : ""};
}

struct Listing {
  std::vector<report::Column> columns;  // after the name
  RowReader read;
};

Listing ListingOf(Kind kind) {
  switch (kind) {
    case Kind::kGpu:
      return {{{"memory", Align::kRight},
               {"bandwidth", Align::kRight},
               {"bf16 peak", Align::kRight},
               {"nvlink", Align::kRight},
               {"power", Align::kRight, true},
               {"title"}},
              GpuRow};
    case Kind::kNode:
      return {{{"gpus"}, {"network ports"}, {"host memory", Align::kRight}, {"title"}}, NodeRow};
    case Kind::kFabric:
      return {
          {{"kind"}, {"bandwidth", Align::kRight}, {"oversubscription", Align::kRight}, {"title"}},
          FabricRow};
    case Kind::kCluster:
      return {{{"gpus", Align::kRight}, {"gpu"}, {"nodes", Align::kRight}, {"fabric"}, {"title"}},
              ClusterRow};
    case Kind::kModel:
      return {{{"parameters", Align::kRight},
               {"active", Align::kRight},
               {"layers", Align::kRight},
               {"hidden", Align::kRight},
               {"KV/token, 16 bit", Align::kRight},
               {"type"}},
              ModelRow};
    case Kind::kFramework:
      return {{{"sharding"}, {"title"}}, FrameworkRow};
    case Kind::kEngine:
      return {{{"version"}, {"tokens a block", Align::kRight}, {"title"}}, EngineRow};
    case Kind::kScenario:
    case Kind::kPlan:
    case Kind::kSuite:
    case Kind::kCalibration:
      break;
    case Kind::kLibrary:
      return {{{"version"}, {"title"}}, LibraryRow};
    case Kind::kTrace:
      return {{{"requests", Align::kRight}, {"span", Align::kRight}, {"licence"}, {"title"}},
              TraceRow};
  }
  return {{{"title"}}, CommentRow};
}

Table SuitesTable(const hardware::Catalog& catalog) {
  Table table{.columns = {{"name"}, {"format"}}, .rows = {}};
  for (const std::string& name : validation::ShippedSuites(catalog)) {
    std::string format = "yaml";
    for (const std::filesystem::path& root : catalog.roots()) {
      std::error_code error;
      if (std::filesystem::exists(root / "validation" / (name + ".csv"), error)) {
        format = "csv";
      }
    }
    table.rows.push_back({name, format});
  }
  return table;
}

}  // namespace

Result<int> List(Session& session) {
  ASSIGN_OR_RETURN(const KindInfo* const kind, FindKind(session.line.arguments.front()));
  if (kind->kind == Kind::kSuite) {
    session.out = report::RenderTable(SuitesTable(session.catalog), session.line.output);
    return kExitDone;
  }
  if (kind->kind == Kind::kCalibration) {
    ASSIGN_OR_RETURN(const Table table, CalibrationsTable(session.catalog));
    session.out = report::RenderTable(table, session.line.output);
    return kExitDone;
  }
  const Listing listing = ListingOf(kind->kind);
  Table table{.columns = {{"name"}}, .rows = {}};
  table.columns.insert(table.columns.end(), listing.columns.begin(), listing.columns.end());
  std::optional<Error> failed;
  for (const std::string& name : session.catalog.Names(kind->folder)) {
    RETURN_IF_ERROR(session.stop.Check());
    if (kind->kind == Kind::kModel && name == "aliases") {
      continue;  // a table of other names, no model
    }
    Result<std::vector<std::string>> cells =
        session.catalog.Find(kind->folder, name).and_then([&](const std::filesystem::path& path) {
          return listing.read(name, path, session.catalog);
        });
    if (!cells) {
      if (failed) {
        failed->others.push_back(std::move(cells).error());
      } else {
        failed = std::move(cells).error();
      }
      continue;
    }
    std::vector<std::string> row = {name};
    row.insert(row.end(), cells->begin(), cells->end());
    table.rows.push_back(std::move(row));
  }
  session.out = report::RenderTable(table, session.line.output);
  if (table.rows.empty() && !failed) {
    session.Note(fmt::format("none: nothing under {}/", kind->folder));
  }
  if (failed) {
    return tl::unexpected(*std::move(failed));
  }
  return kExitDone;
}

}  // namespace ridgeline::cli

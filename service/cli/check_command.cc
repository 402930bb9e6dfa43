#include <filesystem>

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "base/grouped_number.h"
#include "hardware/cluster.h"
#include "hardware/fabric_graph.h"
#include "hardware/sample_cluster.h"
#include "planner/plan.h"
#include "planner/validation/collective_measurements.h"
#include "planner/validation/field_map.h"
#include "planner/validation/measured_serving.h"
#include "planner/validation/network_suite.h"
#include "planner/validation/suite.h"
#include "service/cli/catalog_kinds.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"
#include "service/cli/scenario_files.h"
#include "sim/scenario.h"
#include "workloads/framework.h"
#include "workloads/model_catalog.h"
#include "workloads/serving_engine.h"
#include "workloads/trace_description.h"

namespace ridgeline::cli {
namespace {

/// What was found to be right: "a GPU: NVIDIA H100 SXM5 80 GB".
Result<std::string> CheckGpu(const Node& document) {
  ASSIGN_OR_RETURN(const hardware::Gpu gpu, Decode<hardware::Gpu>(document));
  return gpu.title;
}

Result<std::string> CheckNode(const Node& document, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const hardware::Node node, Decode<hardware::Node>(document));
  ASSIGN_OR_RETURN(const hardware::Gpu gpu, catalog.ResolveGpu(node.gpu));
  return fmt::format("{}, {} x {}", node.title, node.gpus, gpu.name);
}

/// Built as well as read: links that lead nowhere are found by building.
Result<std::string> CheckFabric(const Node& document, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(hardware::Fabric fabric, Decode<hardware::Fabric>(document));
  fabric.written = {.where = document.where, .path = "fabric"};
  ASSIGN_OR_RETURN(const hardware::Cluster cluster, hardware::SampleCluster(catalog, fabric));
  RETURN_IF_ERROR(hardware::FabricGraph::Of(cluster));
  return fabric.title;
}

Result<std::string> CheckCluster(const Node& document, const hardware::Catalog& catalog) {
  Reference<hardware::ClusterDescription> reference;
  reference.inline_map = document;
  reference.where = document.where;
  ASSIGN_OR_RETURN(const hardware::Cluster cluster, catalog.ResolveCluster(reference));
  return fmt::format("{}, {} GPUs", cluster.name, cluster.gpus());
}

Result<std::string> CheckModel(const Node& document, const std::string& name) {
  ASSIGN_OR_RETURN(const workloads::Model model, workloads::ReadModelNode(document, name));
  return fmt::format("{}, {} layers, {:.4g} B parameters", model.model_type, model.num_layers(),
                     static_cast<double>(CountParameters(model).total) / 1e9);
}

Result<Node> WithOverrides(Node document, const Session& session) {
  for (size_t i = 0; i < session.line.overrides.size(); ++i) {
    const std::string& text = session.line.overrides[i];
    const size_t equals = std::min(text.find('='), text.size());
    RETURN_IF_ERROR(SetPath(document, text.substr(0, equals),
                            text.substr(std::min(equals + 1, text.size())),
                            fmt::format("--set[{}]", i + 1)));
  }
  return document;
}

/// A space stands under plans/, or has a list where a scenario has one value.
bool IsPlan(const Node& document, const std::string& path) {
  return std::filesystem::path(path).parent_path().filename() == "plans" ||
         planner::HasChoices(document);
}

Result<std::string> CheckPlan(const Node& document, const Session& session) {
  ASSIGN_OR_RETURN(const int64_t count, planner::CountConfigurations(document, session.catalog));
  return fmt::format("{} configurations, legal or not", Grouped(count));
}

Result<std::string> CheckScenario(const Node& document, const Session& session) {
  ASSIGN_OR_RETURN(const sim::Scenario scenario, sim::ResolveScenario(document, session.catalog));
  if (const auto& serving = scenario.serving) {
    return fmt::format("{} on {} x {}, {} replicas of tp {}, {}", serving->model.name,
                       serving->gpus(), scenario.cluster.gpu.name, serving->replicas, serving->tp,
                       serving->load->description);
  }
  if (const auto& forward = scenario.forward) {
    return fmt::format("{} on {} x {}, one {} pass of {} sequences", forward->model.name,
                       forward->tp, scenario.cluster.gpu.name,
                       Codec<AttentionPhase>::Write(forward->phase), forward->batch);
  }
  if (!scenario.traffic.empty()) {
    return fmt::format("{} items of traffic on {}", scenario.traffic.size(), scenario.cluster.name);
  }
  const workloads::Layout& layout = scenario.training->layout;
  return fmt::format("{} on {} x {}, tp {} pp {} dp {}", scenario.training->model.name,
                     layout.gpus(), scenario.cluster.gpu.name, layout.tp, layout.pp, layout.dp);
}

Result<std::string> CheckSuite(const Node& document, const std::string& path) {
  if (validation::IsFieldMap(document)) {
    ASSIGN_OR_RETURN(const validation::FieldMap map, validation::ReadFieldMap(document));
    return fmt::format("{}, {} claims", map.name, map.cases.size());
  }
  if (validation::IsServingLogs(document)) {
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    ASSIGN_OR_RETURN(const validation::ServingLogs logs,
                     validation::ReadServingLogs(document, folder));
    return fmt::format("{}, {} runs", logs.name, logs.runs.size());
  }
  if (validation::IsMeasuredCollectives(document)) {
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    ASSIGN_OR_RETURN(const validation::MeasuredCollectives collectives,
                     validation::ReadMeasuredCollectives(document, folder));
    return fmt::format("{}, {} times", collectives.name, collectives.points.size());
  }
  if (validation::IsNetworkSuite(document)) {
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    ASSIGN_OR_RETURN(const validation::NetworkSuite network,
                     validation::ReadNetworkSuite(document, folder));
    return fmt::format("{}, {} cases", network.name, network.cases.size());
  }
  ASSIGN_OR_RETURN(const validation::Suite suite, validation::ReadYamlSuite(document));
  return fmt::format("{}, {} cases", suite.name, suite.cases.size());
}

Result<std::string> CheckDocument(const KindInfo& kind, const Node& document,
                                  const std::string& path, const Session& session) {
  switch (kind.kind) {
    case Kind::kGpu:
      return CheckGpu(document);
    case Kind::kNode:
      return CheckNode(document, session.catalog);
    case Kind::kFabric:
      return CheckFabric(document, session.catalog);
    case Kind::kCluster:
      return CheckCluster(document, session.catalog);
    case Kind::kModel:
      return CheckModel(document, std::filesystem::path(path).stem().string());
    case Kind::kFramework:
      return Decode<workloads::Framework>(document).map(
          [](const workloads::Framework& framework) { return framework.title; });
    case Kind::kEngine:
      return Decode<workloads::ServingEngine>(document).map(
          [](const workloads::ServingEngine& engine) { return engine.title; });
    case Kind::kTrace:
      return Decode<workloads::TraceDescription>(document).map(
          [](const workloads::TraceDescription& trace) { return trace.title; });
    case Kind::kLibrary:  // its base, where it has one, is found by its own name
      return session.catalog.ResolveCollectives(path).map(
          [](const auto& library) { return library->title; });
    case Kind::kScenario:
      return CheckScenario(document, session);
    case Kind::kPlan:
      return CheckPlan(document, session);
    case Kind::kSuite:
      return CheckSuite(document, path);
    case Kind::kCalibration:
      break;
  }
  return Unimplemented(fmt::format("not built yet: check of {}", kind.a_name));
}

Result<std::pair<std::string, std::string>> CheckFile(const std::string& path,
                                                      const Session& session) {
  ASSIGN_OR_RETURN(Node document, ReadDocument(path));
  const KindInfo* kind = KindOfDocument(document);
  if (kind == nullptr) {
    return tl::unexpected(Error{
        .code = ErrorCode::kInvalidArgument,
        .message = "no key of this file is known: " + path,
        .where = document.where,
        .hint = "a scenario begins with cluster: and training:; ridgeline explain lists the keys"});
  }
  if (kind->kind == Kind::kScenario) {
    ASSIGN_OR_RETURN(document, WithOverrides(std::move(document), session));
    if (IsPlan(document, path)) {
      ASSIGN_OR_RETURN(kind, FindKind("plan"));
    }
  }
  ASSIGN_OR_RETURN(std::string summary, CheckDocument(*kind, document, path, session));
  return std::pair(std::string(kind->a_name), std::move(summary));
}

}  // namespace

Result<int> Check(Session& session) {
  report::Table table{.columns = {{"file"}, {"is"}, {"summary"}}, .rows = {}};
  std::optional<Error> failed;
  const bool is_text = session.line.output == report::OutputFormat::kTable ||
                       session.line.output == report::OutputFormat::kWide;
  // Every file is looked at, so that one call finds every mistake.
  for (const std::string& argument : session.line.arguments) {
    RETURN_IF_ERROR(session.stop.Check());
    Result<std::pair<std::string, std::string>> found =
        ScenarioPaths({argument}, session.catalog)
            .and_then([&](const std::vector<std::string>& paths) {
              return CheckFile(paths.front(), session);
            });
    if (found) {
      table.rows.push_back({argument, found->first, found->second});
      if (is_text) {
        session.out += fmt::format("{}: OK, {}: {}\n", argument, found->first, found->second);
      }
    } else if (failed) {
      failed->others.push_back(std::move(found).error());
    } else {
      failed = std::move(found).error();
    }
  }
  if (!is_text) {
    session.out = report::RenderTable(table, session.line.output);
  }
  if (failed) {
    return tl::unexpected(*std::move(failed));
  }
  return kExitDone;
}

}  // namespace ridgeline::cli

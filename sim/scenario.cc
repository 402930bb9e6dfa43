#include "sim/scenario.h"

#include <utility>

#include <fmt/format.h>

#include "hardware/fabric_graph.h"
#include "sim/scenario_blocks.h"

namespace ridgeline::sim {
namespace {

/// Lays documents over each other as they come, then the overrides.
class DocumentMerge {
 public:
  void Add(Result<Node> part) {
    if (!part) {
      AddAll(diagnostics_, std::move(part).error());
      return;
    }
    if (!part->is_map()) {
      diagnostics_.Add({.code = ErrorCode::kInvalidArgument,
                        .message = "a scenario is a map of keys",
                        .where = part->where,
                        .hint = "start with 'cluster:' and 'training:', 'serving:', "
                                "'forward:' or 'traffic:'"});
      return;
    }
    // Each part alone is within bounds, and so must be what they amount to.
    num_values_ += NumValues(*part);
    if (num_values_ > kMaxDocumentValues) {
      if (!is_full_) {
        diagnostics_.Add({.code = ErrorCode::kResourceExhausted,
                          .message = fmt::format("more than {} values in all documents together",
                                                 kMaxDocumentValues),
                          .where = part->where});
      }
      is_full_ = true;
      return;
    }
    document_ =
        document_.entries.empty() ? *std::move(part) : MergeNodes(std::move(document_), *part);
  }

  Result<Node> Finish(const std::vector<std::string>& overrides) && {
    for (size_t i = 0; i < overrides.size(); ++i) {
      const std::string origin = fmt::format("--set[{}]", i + 1);
      const size_t equals = overrides[i].find('=');
      if (equals == std::string::npos || equals == 0) {
        diagnostics_.Add(
            {.code = ErrorCode::kInvalidArgument,
             .message = fmt::format("{}: expected PATH=VALUE: {}", origin, overrides[i]),
             .hint = "for example --set training.parallelism.tp=4"});
        continue;
      }
      const std::string_view text = overrides[i];
      if (Status set = SetPath(document_, text.substr(0, equals), text.substr(equals + 1), origin);
          !set) {
        AddAll(diagnostics_, std::move(set).error());
      }
    }
    RETURN_IF_ERROR(diagnostics_.Take());
    return std::move(document_);
  }

 private:
  Diagnostics diagnostics_;
  Node document_ = MakeMap();
  size_t num_values_ = 0;
  bool is_full_ = false;
};

void ResolveTargets(const std::map<std::string, std::string>& written, const Node& document,
                    Scenario& scenario, Diagnostics& diagnostics) {
  for (const auto& [metric, value] : written) {
    if (std::optional<Target> target =
            Take(ParseTarget(metric, value), document, "targets", diagnostics)) {
      scenario.targets.push_back(*std::move(target));
    }
  }
}

/// What there is to run: one block, and a workload only beside serving.
bool CheckBlocks(const ScenarioDocument& written, const Node& document, Diagnostics& diagnostics) {
  const int blocks = static_cast<int>(written.training.has_value()) +
                     static_cast<int>(written.serving.has_value()) +
                     static_cast<int>(written.forward.has_value()) +
                     static_cast<int>(!written.traffic.empty());
  if (blocks == 0) {
    diagnostics.Add(ErrorAt(
        document, "training", "nothing to simulate: no training, serving, forward or traffic block",
        "add 'training:' with model, sequence_length and global_batch, 'serving:' and "
        "'workload:', 'forward:', or 'traffic:'"));
  } else if (blocks > 1) {
    diagnostics.Add(ErrorAt(document, "", "more than one of training, serving, forward and traffic",
                            "keep one of them; put the others in files of their own"));
  }
  if (written.workload && !written.serving) {
    diagnostics.Add(ErrorAt(document, "workload", "a workload without a serving block",
                            "add 'serving:' with the model to serve"));
  }
  return blocks == 1;
}

/// How the cluster's network is priced; where flows run over it, it must be one that they can run
/// over.
void ResolveNetwork(const hardware::NetworkModel& written, hardware::Cluster& cluster,
                    const Node& document, const hardware::Catalog& catalog,
                    Diagnostics& diagnostics) {
  cluster.network = written;
  if (auto library = Take(catalog.ResolveCollectives(written.library), document, "network.library",
                          diagnostics)) {
    cluster.collectives = *std::move(library);
  }
  if (written.fidelity != hardware::NetworkFidelity::kAnalytic) {
    Take(hardware::FabricGraph::Of(cluster), document, "cluster.fabric", diagnostics);
  }
}

}  // namespace

Result<Node> ReadScenarioFiles(const std::vector<std::string>& files,
                               const std::vector<std::string>& overrides) {
  if (files.empty()) {
    return InvalidArgument("no scenario given",
                           "name a file, such as configs/scenarios/llama-3.1-8b-8xh100.yaml");
  }
  DocumentMerge merge;
  for (const std::string& file : files) {
    merge.Add(ReadDocument(file));
  }
  return std::move(merge).Finish(overrides);
}

Result<Node> ReadScenarioTexts(std::vector<NamedText> texts,
                               const std::vector<std::string>& overrides) {
  if (texts.empty()) {
    return InvalidArgument("no scenario given", "send at least one document");
  }
  DocumentMerge merge;
  for (NamedText& text : texts) {
    merge.Add(ParseDocument(std::move(text.name), std::move(text.text)));
  }
  return std::move(merge).Finish(overrides);
}

Result<Scenario> ResolveScenario(const Node& document, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const ScenarioDocument written, Decode<ScenarioDocument>(document));
  Diagnostics diagnostics;
  Scenario scenario;
  scenario.seed = static_cast<uint64_t>(written.seed);
  std::optional<hardware::Cluster> cluster =
      Take(catalog.ResolveCluster(written.cluster), document, "cluster", diagnostics);
  if (cluster) {
    ResolveNetwork(written.network, *cluster, document, catalog, diagnostics);
  }
  if (CheckBlocks(written, document, diagnostics)) {
    if (written.training) {
      scenario.training =
          ResolveTraining(*written.training, cluster, document, catalog, diagnostics);
    } else if (written.serving) {
      scenario.serving = ResolveServing(*written.serving, written.workload, scenario.seed, cluster,
                                        document, catalog, diagnostics);
    } else if (written.forward) {
      scenario.forward = ResolveForward(*written.forward, cluster, document, catalog, diagnostics);
    } else {
      scenario.traffic = ResolveTraffic(written.traffic, cluster, document, diagnostics);
    }
  }
  ResolveTargets(written.targets, document, scenario, diagnostics);
  RETURN_IF_ERROR(diagnostics.Take());
  scenario.cluster = *std::move(cluster);

  ResolvedDocument resolved(document, scenario.defaults);
  if (scenario.training) {
    WriteDefaults(*scenario.training, resolved);
  } else if (scenario.serving) {
    WriteDefaults(*scenario.serving, resolved);
  } else if (scenario.forward) {
    WriteDefaults(*scenario.forward, resolved);
  }
  resolved.Set("network.fidelity",
               Codec<hardware::NetworkFidelity>::Write(written.network.fidelity));
  resolved.Set("network.library", written.network.library);
  resolved.Set("seed", std::to_string(written.seed));
  scenario.resolved = resolved.Take();
  return scenario;
}

}  // namespace ridgeline::sim

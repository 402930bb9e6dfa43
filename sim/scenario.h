/// The thing one simulates: documents merged, decoded and resolved. Nothing below sees text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/document.h"
#include "hardware/catalog.h"
#include "hardware/cluster.h"
#include "workloads/training_job.h"

namespace ridgeline::sim {

/// How the network is priced.
enum class NetworkFidelity { kAnalytic, kFlow, kSimGrid };
EnumTable<NetworkFidelity> EnumNames(Tag<NetworkFidelity>);

struct NetworkSettings {
  NetworkFidelity fidelity = NetworkFidelity::kAnalytic;
  friend bool operator==(const NetworkSettings&, const NetworkSettings&) = default;
};
const Schema<NetworkSettings>& SchemaOf(Tag<NetworkSettings>);

/// A block that is kept as written because its own reader is not built yet.
struct UnreadBlock {
  std::optional<Node> node;
};

/// The document's top level, as written. `serving`, `workload`, `forward` and `targets` are known
/// words whose simulation is not built yet: they answer UNIMPLEMENTED.
struct ScenarioDocument {
  Reference<hardware::ClusterDescription> cluster;
  std::optional<workloads::TrainingJob> training;
  UnreadBlock serving, workload, forward, targets;
  NetworkSettings network;
  int64_t seed = 1;
};
const Schema<ScenarioDocument>& SchemaOf(Tag<ScenarioDocument>);

/// A training job with every default filled in.
struct TrainingScenario {
  workloads::Model model;
  workloads::Framework framework;  // with the job's dtypes and attention laid over
  workloads::Layout layout;
  int64_t sequence_length = 0;
  int64_t global_batch = 0;
  int64_t micro_batch = 1;
  int64_t micro_batches = 1;  // per replica and step
  DType precision = DType::kBf16;
  workloads::ScheduleKind schedule = workloads::ScheduleKind::kOneForwardOneBackward;
  workloads::Sharding sharding = workloads::Sharding::kZero1;
  workloads::Recompute recompute = workloads::Recompute::kNone;
};

/// One default that was filled in: what --dry-run and validate print as assumed.
struct FilledDefault {
  std::string path;   // "training.schedule"
  std::string value;  // "1f1b"
};

struct Scenario {
  hardware::Cluster cluster;
  std::optional<TrainingScenario> training;
  uint64_t seed = 1;
  std::vector<FilledDefault> defaults;
  Node resolved;  // the document with every default written out
};

/// Decodes and resolves a merged document. All errors of the document at once. UNIMPLEMENTED for
/// what is not built.
Result<Scenario> ResolveScenario(const Node& document, const hardware::Catalog& catalog);

/// Reads files left to right, lays each over the one before, then the `--set` overrides
/// ("path=value"), and resolves.
Result<Node> ReadScenarioFiles(const std::vector<std::string>& files,
                               const std::vector<std::string>& overrides);

/// The table behind `explain` and `check`: every key of a scenario.
const SchemaInfo& ScenarioSchema();

}  // namespace ridgeline::sim

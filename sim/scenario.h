/// The thing one simulates: documents merged, decoded and resolved. Nothing below sees text.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/document.h"
#include "hardware/catalog.h"
#include "hardware/cluster.h"
#include "sim/target.h"
#include "workloads/forward_pass.h"
#include "workloads/request_load.h"
#include "workloads/serving_engine.h"
#include "workloads/serving_job.h"
#include "workloads/traffic_item.h"
#include "workloads/training_job.h"
#include "workloads/workload.h"

namespace ridgeline::sim {

/// The document's top level, as written: a cluster, and one of training, serving with its workload,
/// forward, or traffic.
struct ScenarioDocument {
  Reference<hardware::ClusterDescription> cluster;
  std::optional<workloads::TrainingJob> training;
  std::optional<workloads::ServingJob> serving;
  std::optional<workloads::Workload> workload;
  std::optional<workloads::ForwardPass> forward;
  std::vector<workloads::TrafficItem> traffic;
  std::map<std::string, std::string> targets;  // "ttft.p99" -> "2 s"
  hardware::NetworkModel network;
  int64_t seed = 1;
};
const Schema<ScenarioDocument>& SchemaOf(Tag<ScenarioDocument>);

/// Slots that one step's schedule may have over all pipeline ranks: what is still built in a second
/// and within a gigabyte.
inline constexpr int64_t kMaxScheduleSlots = int64_t{1} << 23;

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
  bool reshard = true;  // where parameters are cut: gathered anew for the backward
  workloads::Recompute recompute = workloads::Recompute::kNone;
  workloads::RecomputePolicy recompute_detail;
  workloads::Offload offload;
  workloads::Fp8Recipe fp8;
  workloads::OptimizerKind optimizer = workloads::OptimizerKind::kAdamW;
  workloads::LowRankAdapters lora;
  workloads::ExpertRouting experts;
  std::vector<int64_t> stage_layers;  // empty: even
  std::optional<workloads::TrainingRun> run;
  workloads::RankVariation ranks;
};

/// A deployment and its load, with every default filled in.
struct ServingScenario {
  workloads::Model model;
  workloads::ServingEngine engine;
  int64_t tp = 1;
  int64_t replicas = 1;
  workloads::ServingPrecision precision;
  int64_t max_batched_tokens = 0;
  int64_t max_sequences = 0;
  int64_t long_prefill_token_threshold = 0;
  int64_t max_model_len = 0;
  std::optional<int64_t> kv_blocks;  // as the user set them; else what the memory gives
  bool chunked_prefill = true;
  bool prefix_caching = true;
  double memory_fraction = 0.9;
  workloads::Router router = workloads::Router::kRoundRobin;
  /// Shared by the variants of a plan or a what-if: a trace is read once. Never null.
  std::shared_ptr<const workloads::RequestLoad> load;
  int64_t gpus() const { return tp * replicas; }
};

/// One forward pass, with every default filled in.
struct ForwardScenario {
  workloads::Model model;
  workloads::Framework framework;
  AttentionPhase phase = AttentionPhase::kDecode;
  int64_t batch = 1;
  int64_t context = 1;
  int64_t tp = 1;
  DType precision = DType::kBf16;
  DType kv_cache = DType::kBf16;
};

/// One default that was filled in: what --dry-run and validate print as assumed.
struct FilledDefault {
  std::string path;   // "training.schedule"
  std::string value;  // "1f1b"
};

struct Scenario {
  hardware::Cluster cluster;
  // Exactly one of these.
  std::optional<TrainingScenario> training;
  std::optional<ServingScenario> serving;
  std::optional<ForwardScenario> forward;
  std::vector<workloads::TrafficItem> traffic;  // sets resolved: nodes and GPUs a node are known
  std::vector<Target> targets;
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

/// A document's text under the name that messages show.
struct NamedText {
  std::string name;
  std::string text;
};
/// As ReadScenarioFiles, from texts: what a request over the network brings.
Result<Node> ReadScenarioTexts(std::vector<NamedText> texts,
                               const std::vector<std::string>& overrides);

/// The table behind `explain` and `check`: every key of a scenario.
const SchemaInfo& ScenarioSchema();

}  // namespace ridgeline::sim

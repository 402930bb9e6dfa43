#include "service/cli/catalog_kinds.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/nearest_name.h"
#include "hardware/cluster.h"
#include "hardware/collective_library.h"
#include "sim/scenario.h"
#include "workloads/framework.h"
#include "workloads/serving_engine.h"
#include "workloads/trace_description.h"

namespace ridgeline::cli {
namespace {

constexpr std::array<KindInfo, 13> kKinds = {{
    {Kind::kGpu, "gpu", "gpus", "gpus", "a GPU"},
    {Kind::kNode, "node", "nodes", "nodes", "a node"},
    {Kind::kFabric, "fabric", "fabrics", "fabrics", "a fabric"},
    {Kind::kCluster, "cluster", "clusters", "clusters", "a cluster"},
    {Kind::kModel, "model", "models", "models", "a model"},
    {Kind::kFramework, "framework", "frameworks", "frameworks", "a framework"},
    {Kind::kEngine, "engine", "engines", "engines", "a serving engine"},
    {Kind::kScenario, "scenario", "scenarios", "scenarios", "a scenario"},
    {Kind::kPlan, "plan", "plans", "plans", "a space to plan in"},
    {Kind::kSuite, "suite", "suites", "validation", "a validation suite"},
    {Kind::kTrace, "trace", "traces", "traces", "a trace"},
    {Kind::kCalibration, "calibration", "calibrations", "calibration", "a calibration"},
    {Kind::kLibrary, "collective", "collectives", "collectives", "a collective library"},
}};

const KindInfo* InfoOf(Kind kind) { return &kKinds[static_cast<size_t>(kind)]; }

bool HasAny(const Node& document, std::initializer_list<std::string_view> keys) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](std::string_view key) { return document.Find(key) != nullptr; });
}

size_t KnownKeys(const Node& document, const SchemaInfo& schema) {
  return static_cast<size_t>(
      std::count_if(schema.keys.begin(), schema.keys.end(),
                    [&](const KeyInfo& key) { return document.Find(key.name) != nullptr; }));
}

}  // namespace

Result<const KindInfo*> FindKind(const std::string& name) {
  std::vector<std::string> known;
  for (const KindInfo& kind : kKinds) {
    if (name == kind.singular || name == kind.plural) {
      return &kind;
    }
    known.emplace_back(kind.plural);
  }
  return InvalidArgument("unknown kind: " + name, SuggestName(name, known));
}

const KindInfo* KindOfDocument(const Node& document) {
  if (HasAny(document, {"cases", "runs", "tables", "published"})) {
    return InfoOf(Kind::kSuite);
  }
  if (HasAny(document, {"training", "serving", "forward", "traffic", "cluster", "workload"})) {
    return InfoOf(Kind::kScenario);
  }
  if (HasAny(document, {"model_type", "architectures", "hidden_size"})) {
    return InfoOf(Kind::kModel);
  }
  const std::array<std::pair<Kind, const SchemaInfo*>, 8> schemas = {
      {{Kind::kGpu, &SchemaOf(Tag<hardware::Gpu>{}).info()},
       {Kind::kNode, &SchemaOf(Tag<hardware::Node>{}).info()},
       {Kind::kFabric, &SchemaOf(Tag<hardware::Fabric>{}).info()},
       {Kind::kCluster, &SchemaOf(Tag<hardware::ClusterDescription>{}).info()},
       {Kind::kFramework, &SchemaOf(Tag<workloads::Framework>{}).info()},
       {Kind::kEngine, &SchemaOf(Tag<workloads::ServingEngine>{}).info()},
       {Kind::kTrace, &SchemaOf(Tag<workloads::TraceDescription>{}).info()},
       {Kind::kLibrary, &SchemaOf(Tag<hardware::CollectiveLibrary>{}).info()}}};
  const KindInfo* best = nullptr;
  size_t best_keys = 0;
  for (const auto& [kind, schema] : schemas) {
    const size_t keys = KnownKeys(document, *schema);
    if (keys > best_keys) {
      best = InfoOf(kind);
      best_keys = keys;
    }
  }
  return best;
}

}  // namespace ridgeline::cli

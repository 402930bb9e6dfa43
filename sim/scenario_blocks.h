/// What the readers of a scenario's blocks share: errors at their place in the user's document,
/// names looked up, defaults written down. Private to sim/scenario*.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/diagnostic.h"
#include "hardware/catalog.h"
#include "sim/scenario.h"
#include "workloads/framework.h"
#include "workloads/model.h"

namespace ridgeline::sim {

/// The deepest value along `path` that the document holds: where an error about `path` points.
const Node* NodeAt(const Node& root, std::string_view path);
void Locate(Error& error, const Node& document);

/// An error about one key of the document.
Error ErrorAt(const Node& document, std::string path, std::string message, std::string hint = {},
              ErrorCode code = ErrorCode::kInvalidArgument);

void AddAll(Diagnostics& diagnostics, Error error);

/// The value, or its errors into `diagnostics`, with the place of `path` where they have none.
template <class T>
std::optional<T> Take(Result<T> result, const Node& document, std::string_view path,
                      Diagnostics& diagnostics) {
  if (result) {
    return *std::move(result);
  }
  Error error = std::move(result).error();
  if (error.path.empty()) {
    error.path = path;
  }
  Locate(error, document);
  AddAll(diagnostics, std::move(error));
  return std::nullopt;
}

/// The model and the config that it was read from.
struct ResolvedModel {
  workloads::Model model;
  Node config;
};
Result<ResolvedModel> ResolveModel(const Reference<workloads::Model>& reference,
                                   const hardware::Catalog& catalog);
/// Keeps the first `layers` layers, if said; more than there are is an error at `path`.
void CutLayers(workloads::Model& model, std::optional<int64_t> layers, const Node& document,
               std::string path, Diagnostics& diagnostics);
Result<workloads::Framework> ResolveFramework(const Reference<workloads::Framework>& reference,
                                              std::string_view default_name,
                                              const hardware::Catalog& catalog);
/// Notes that name a key of the model's config ("num_key_value_heads is set here") get its place;
/// those whose key the config spells otherwise are dropped.
void LocateNotes(Error& error, const Node& config);

/// Writes down every default that was taken, in the resolved document and for the reader.
class ResolvedDocument {
 public:
  ResolvedDocument(const Node& written, std::vector<FilledDefault>& defaults)
      : root_(written), defaults_(defaults) {}
  /// Keeps what the user wrote.
  void Set(std::string_view path, std::string value);
  Node Take() { return std::move(root_); }

 private:
  Node root_;
  std::vector<FilledDefault>& defaults_;
};

/// Recomputation, experts and adapters against what the model's layers are.
void CheckLayerPolicies(const TrainingScenario& training, const Node& document,
                        Diagnostics& diagnostics);

// One reader a block. Each returns nothing after an error, which is in `diagnostics`.
std::optional<TrainingScenario> ResolveTraining(const workloads::TrainingJob& job,
                                                const std::optional<hardware::Cluster>& cluster,
                                                const Node& document,
                                                const hardware::Catalog& catalog,
                                                Diagnostics& diagnostics);
void WriteDefaults(const TrainingScenario& training, ResolvedDocument& resolved);
std::optional<ServingScenario> ResolveServing(
    const workloads::ServingJob& job, const std::optional<workloads::Workload>& workload,
    uint64_t seed, const std::optional<hardware::Cluster>& cluster, const Node& document,
    const hardware::Catalog& catalog, Diagnostics& diagnostics);
void WriteDefaults(const ServingScenario& serving, ResolvedDocument& resolved);
std::optional<ForwardScenario> ResolveForward(const workloads::ForwardPass& pass,
                                              const std::optional<hardware::Cluster>& cluster,
                                              const Node& document,
                                              const hardware::Catalog& catalog,
                                              Diagnostics& diagnostics);
void WriteDefaults(const ForwardScenario& forward, ResolvedDocument& resolved);
/// Empty after an error.
std::vector<workloads::TrafficItem> ResolveTraffic(const std::vector<workloads::TrafficItem>& items,
                                                   const std::optional<hardware::Cluster>& cluster,
                                                   const Node& document, Diagnostics& diagnostics);

}  // namespace ridgeline::sim

/// The space of a training plan: a document whose parallelism, micro-batch, recomputation or
/// sharding are left out (searched) or given as lists (restricted). A value fixes.
///
/// What is searched when left out, each a superset of what can be legal:
///   training.parallelism.tp   divisors of the GPUs, at most the widest layer's heads
///   training.parallelism.pp   divisors of the GPUs, at most the layers and two
///   training.parallelism.vpp  divisors of the layers, and of the layers and two
///   (layer_placement.h) training.parallelism.ep   divisors of the experts; 1 without experts
///   training.micro_batch      divisors of the global batch
///   training.recompute        none, selective, full
///   training.sharding         ddp, zero-1
/// training.gpus may be a list; left out, it is the whole cluster. dp is what is left. cp, etp,
/// shard, context and order are as written, in every point; schedule and sequence_parallel follow
/// vpp and tp as in `simulate` unless stated.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/document.h"
#include "base/result.h"
#include "hardware/catalog.h"
#include "sim/scenario.h"

namespace ridgeline::planner {

/// One point of the space.
struct TrainingSettings {
  int64_t gpus = 1;
  int64_t tp = 1;
  int64_t pp = 1;
  int64_t vpp = 1;
  int64_t ep = 1;
  int64_t micro_batch = 1;
  workloads::Recompute recompute = workloads::Recompute::kNone;
  workloads::Sharding sharding = workloads::Sharding::kDdp;
};

/// The choices along each axis, ascending. Points are numbered as an odometer counts, sharding
/// turning fastest: the canonical order, which breaks ties.
struct TrainingSpace {
  Node document;           // as written
  sim::Scenario scenario;  // all that is not searched, resolved; the layout is a placeholder
  std::vector<int64_t> gpus, tp, pp, vpp, ep, micro_batch;
  std::vector<workloads::Recompute> recompute;
  std::vector<workloads::Sharding> sharding;
  // As written, where a point must agree.
  std::optional<int64_t> dp;
  std::optional<bool> sequence_parallel;
  std::optional<int64_t> etp, shard;
  std::optional<workloads::ScheduleKind> schedule;
  std::optional<bool> reshard;
  std::vector<std::string> searched_paths;  // those that no value fixes, in canonical order

  const sim::TrainingScenario& training() const { return *scenario.training; }
};

/// Errors: every error that the document would have with each list element in its list's place,
/// where that element stands; an empty list; kOutOfRange for more than kMaxCandidates.
inline constexpr int64_t kMaxCandidates = 10'000'000;
Result<TrainingSpace> ReadTrainingSpace(const Node& document, const hardware::Catalog& catalog);

/// What is searched, by path, as written in a document.
std::map<std::string, std::string> SettingsText(const TrainingSpace& space,
                                                const TrainingSettings& settings);
/// "training.parallelism.tp: 1, 2, 4", one a searched path.
std::vector<std::string> ChoicesText(const TrainingSpace& space);
/// The document that `simulate` takes for this point.
Node DocumentOf(const TrainingSpace& space, const TrainingSettings& settings);

}  // namespace ridgeline::planner

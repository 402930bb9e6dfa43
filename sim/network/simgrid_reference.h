/// The referee: traffic solved by SimGrid, in a child process (sim/network/simgrid says how SimGrid
/// is set). A child that crashes, hangs or answers nonsense is an error here and nothing worse.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "sim/engine/traffic.h"
#include "sim/engine/traffic_stream.h"

namespace ridgeline::network {

/// How SimGrid follows a change of rates: only the flows that it touches, on a heap of completions,
/// or all flows. The answer is the same.
enum class SimgridUpdates {
  kChosen,  // kFull where most flows are coupled through links, else kLazy
  kLazy,
  kFull,
};

struct SimgridSettings {
  std::filesystem::path program =
      {};  // ridgeline-simgrid beside this program or in PATH when empty
  std::chrono::seconds patience = std::chrono::minutes(10);  // most that an answer may take
  SimgridUpdates updates = SimgridUpdates::kChosen;
  std::vector<std::string> options =
      {};  // further ones of SimGrid's, e.g. --cfg=maxmin/precision:1e-9
};

class SimgridReference final : public engine::TrafficRunner {
 public:
  explicit SimgridReference(SimgridSettings settings = {}) : settings_(std::move(settings)) {}

  /// Errors: the stop's; kUnimplemented where flows stand for several, where SimGrid would take
  /// longer than the patience by ExpectedSeconds, and where the program is not installed;
  /// kDeadlineExceeded after the patience; kFailedPrecondition for bytes over a link without
  /// capacity; kUnavailable for a child that crashed or whose answer is no answer.
  Result<engine::FlowTimes> Run(const engine::Traffic& traffic, const Stop& stop) const override;
  /// The same with the time that SimGrid itself took.
  Result<engine::TrafficAnswer> Solve(const engine::Traffic& traffic, const Stop& stop) const;

 private:
  SimgridSettings settings_;
};

/// Roughly what SimGrid 3.32 takes on one core, from figures of tests/bench/README.md: within a
/// factor of about five. O(crossings + predecessors).
double ExpectedSeconds(const engine::Traffic& traffic);

}  // namespace ridgeline::network

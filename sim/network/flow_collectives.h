/// What collectives take when all equal groups of a job run at once and share the fabric's links
/// (network.fidelity: flow and simgrid).
///
///     time = closed form + wire (ratio - 1)
///     ratio = fluid time on the fabric as it is, all groups side by side
///             / fluid time of the same flows where only ports of GPUs and nodes limit them
///
/// wire is that of the plan (collective_plan.h) of a group alone; latency and ramp stay, because a
/// fluid knows nothing of steps; low and high move by the same factor as the mean. A group within a
/// node crosses no switch of the fabric: its closed form (or what was measured) is the answer.
/// Fluid time is proportional to bytes where all starts together, so that there is one pair of runs
/// a pattern (kind, algorithm, group), whatever the sizes. Evidence: as the closed form's, but
/// extrapolated at best where the ratio is not 1.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "hardware/cluster.h"
#include "hardware/collective_cost.h"
#include "hardware/fabric_graph.h"
#include "sim/engine/traffic.h"
#include "sim/network/collective_traffic.h"

namespace ridgeline::network {

/// What the fabric does to one pattern.
struct Contention {
  double ratio = 1.0;      // of the formula above
  Seconds alone;           // a gigabyte's fluid time where switches are without limit
  Seconds shared;          // on the fabric as it is
  std::string bottleneck;  // the most loaded resource: "leaf12 to spine0"; empty: no flows
  double load = 0.0;       // of that resource, over the whole time: 1 is busy throughout
  int64_t flows = 0;       // in all groups
  int64_t classes = 0;     // that were simulated
};

/// The cluster as its nodes' ports see it: nothing oversubscribed, nothing at fault. What the
/// closed forms behind FlowCollectives must be of, lest contention count twice.
hardware::Cluster WithoutContention(const hardware::Cluster& cluster);

class FlowCollectives final : public hardware::CollectiveCost {
 public:
  /// `closed_form` prices collectives of WithoutContention(cluster). `runner` executes traffic;
  /// shared, because one referee may serve many clusters. `merges_classes`: simulate symmetric
  /// flows once (runners that know no multiplicity want false). Errors: those of FabricGraph::Of.
  static Result<std::unique_ptr<const FlowCollectives>> Make(
      const hardware::Cluster& cluster, std::unique_ptr<const hardware::CollectiveCost> closed_form,
      std::shared_ptr<const engine::TrafficRunner> runner, bool merges_classes, Stop stop = {});

  /// Errors: groups that do not fit on the cluster, patterns that have no flows here
  /// (collective_traffic.h), what the runner fails at. The same every time it is asked.
  Result<Cost> Price(const Collective& collective) const;

  /// Price, for callers that cannot fail: throws InternalError with the error's message.
  Cost CostOf(const Collective& collective) const override;

  /// What the fabric does to the collective's pattern. Nothing within a node.
  Result<Contention> ContentionOf(const Collective& collective) const;

  std::vector<hardware::RateInUse> RatesFor(const hardware::RunProfile& run) const override;

  const hardware::FabricGraph& graph() const { return graph_; }

 private:
  FlowCollectives(const hardware::Cluster& cluster, hardware::FabricGraph graph,
                  std::unique_ptr<const hardware::CollectiveCost> closed_form,
                  std::shared_ptr<const engine::TrafficRunner> runner, bool merges_classes,
                  Stop stop);

  using Pattern = std::tuple<CollectiveKind, CollectiveAlgorithm, int64_t, int64_t, int64_t>;
  struct Known {
    std::mutex mutex;
    std::optional<Result<Contention>> contention;
  };
  Result<Contention> Of(const Collective& collective, CollectiveAlgorithm algorithm) const;
  Result<Contention> Simulate(const CollectiveTraffic& pattern, const RankGroup& group) const;

  hardware::Cluster cluster_;
  hardware::Cluster alone_;  // without contention
  hardware::FabricGraph graph_;
  std::unique_ptr<const hardware::CollectiveCost> closed_form_;
  std::shared_ptr<const engine::TrafficRunner> runner_;
  bool merges_classes_;
  Stop stop_;
  mutable std::mutex mutex_;
  mutable std::map<Pattern, std::shared_ptr<Known>> known_;
};

/// Fluid time of a pattern over all of the groups, begun together, and what it loads most.
struct FluidRun {
  Seconds time;
  int32_t busiest = -1;  // resource; -1: none
  double load = 0.0;
  int64_t flows = 0;
  int64_t classes = 0;
};
Result<FluidRun> RunGroups(const CollectiveTraffic& pattern, const std::vector<GroupGpus>& groups,
                           const hardware::FabricGraph& graph, const hardware::Cluster& cluster,
                           SwitchLimits limits, const engine::TrafficRunner& runner,
                           bool merges_classes, const Stop& stop);

/// "node0.gpu3 to node0.nvswitch", "leaf0 to spine0 and 15 links beside it": what makes up a
/// resource.
std::string NameOfResource(const hardware::FabricGraph& graph, int32_t resource);

}  // namespace ridgeline::network

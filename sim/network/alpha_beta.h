/// Collectives of a cluster by closed forms: latency plus bytes over bandwidth, with NCCL's
/// algorithms, protocols and link constants.
///
/// mean: the fastest algorithm in its fastest protocol, as NCCL chooses:
///
/// | | on one node | over nodes |
/// | all-reduce | ring, tree, in-switch | ring, tree, two levels |
/// | all-gather, reduce-scatter | ring | ring, two levels, aggregated trees (one rank a node) |
/// | all-to-all, broadcast, send | one form each | the same |
///
/// low: the wire bound (peak bandwidth, no latency). high: the mean lengthened by how much NCCL's
/// own model is known to be optimistic at that size, or the mean on the worst cited links,
/// whichever is longer; never less than at a smaller size. Evidence: analytic.
#pragma once

#include <vector>

#include "hardware/cluster.h"
#include "hardware/collective_cost.h"

namespace ridgeline::network {

class AlphaBetaCollectives final : public hardware::CollectiveCost {
 public:
  explicit AlphaBetaCollectives(const hardware::Cluster& cluster) : cluster_(cluster) {}

  /// Zero for a group of one or an empty buffer. Throws InternalError for a group over nodes on a
  /// cluster of one: whoever laid out the ranks is wrong. O(1).
  Cost CostOf(const Collective& collective) const override;

  /// The time that nothing beats: low of CostOf.
  Seconds BoundOf(const Collective& collective) const;

  /// Links inside a node when the run has two GPUs, between nodes when it is larger than one.
  std::vector<hardware::RateInUse> RatesFor(const hardware::RunProfile& run) const override;

 private:
  hardware::Cluster cluster_;
};

}  // namespace ridgeline::network

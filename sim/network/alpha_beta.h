/// Collectives of a cluster by closed forms (network.fidelity: analytic): latency plus bytes over
/// bandwidth, with the algorithms, protocols and constants of the cluster's collective library.
///
/// mean: the plan's time (collective_plan.h); groups that reach beyond a leaf of an oversubscribed
/// fabric get their share of it, because the job's other groups want theirs at the same time.
/// low, high: the mean times the errors of the corrected model at that size among measurements that
/// it had not seen, where the library's data has them; else the wire bound (peak bandwidth, no
/// latency), and the mean lengthened by how much NCCL's own model is known to be optimistic. low is
/// never below the bound, high never below the mean on the worst cited links; neither falls when
/// bytes grow. Evidence: as collective_evidence.h says.
#pragma once

#include <mutex>
#include <unordered_map>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/collective_cost.h"

namespace ridgeline::network {

class AlphaBetaCollectives final : public hardware::CollectiveCost {
 public:
  explicit AlphaBetaCollectives(const hardware::Cluster& cluster) : cluster_(cluster) {}

  /// Zero for a group of one or an empty buffer. Throws InternalError for a group over nodes on a
  /// cluster of one, and for an algorithm that CheckPlan refuses: whoever asks is wrong.
  /// Remembered: a plan asks for the same collective thousands of times.
  Cost CostOf(const Collective& collective) const override;

  /// The time that nothing beats, no more than low of CostOf.
  Seconds BoundOf(const Collective& collective) const;

  /// Links inside a node when the run has two GPUs, between nodes when it is larger than one.
  std::vector<hardware::RateInUse> RatesFor(const hardware::RunProfile& run) const override;

 private:
  struct Hash {
    size_t operator()(const Collective& collective) const;
  };
  Cost Price(const Collective& collective) const;

  hardware::Cluster cluster_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<Collective, Cost, Hash> known_;  // looked up, never walked
};

}  // namespace ridgeline::network

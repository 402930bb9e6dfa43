/// Joins what prices operations on one GPU with what prices collectives over many: the one place
/// that a simulation asks "how long?".
#pragma once

#include <memory>
#include <vector>

#include "base/evidence.h"
#include "base/operation.h"
#include "base/result.h"
#include "hardware/cluster.h"
#include "hardware/collective_cost.h"
#include "hardware/cost_model.h"

namespace ridgeline::compute {

class OperationTime {
 public:
  /// Analytic models of the cluster's GPU and network.
  static OperationTime Analytic(const hardware::Cluster& cluster);

  Result<Cost> CostOf(const Operation& operation) const { return gpu_->CostOf(operation); }
  Cost CostOf(const Collective& collective) const { return network_->CostOf(collective); }

  /// Every factor below peak that such a run can read.
  std::vector<hardware::RateInUse> RatesFor(const hardware::RunProfile& run) const;

 private:
  std::unique_ptr<const hardware::CostModel> gpu_;
  std::unique_ptr<const hardware::CollectiveCost> network_;
};

}  // namespace ridgeline::compute

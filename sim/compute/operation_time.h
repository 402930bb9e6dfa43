/// Joins what prices operations on one GPU with what prices collectives over many: the one place
/// that a simulation asks "how long?". Measured where the cluster's GPU was, analytic elsewhere.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/evidence.h"
#include "base/operation.h"
#include "base/result.h"
#include "base/stop.h"
#include "hardware/cluster.h"
#include "hardware/collective_cost.h"
#include "hardware/cost_model.h"
#include "sim/compute/run_load.h"
#include "sim/network/flow_collectives.h"

namespace ridgeline::compute {

/// Bytes a cycle and multiprocessor at which MemoryBound::issued is counted: an H100's wide copies
/// (2.86 TB/s by its table over 132 multiprocessors at the clock of its peaks). It only anchors the
/// factors of recipes; what they show is that such kernels take as long on an H200 (0.94 to 1.04 of
/// H100's time over 11 kinds of kernel in traces of equal steps), where wide ones take 0.70 to
/// 0.77.
inline constexpr double kIssued = 11.8;

class OperationTime {
 public:
  /// What was measured for the cluster, completed by the analytic models; these alone where nothing
  /// was. `stop` ends flows that are being simulated.
  static OperationTime Of(const hardware::Cluster& cluster, const Stop& stop = {});
  /// Analytic models of the cluster's GPU and network.
  static OperationTime Analytic(const hardware::Cluster& cluster);

  /// The same costs in such a run (run_load.h): at its clocks, with ranges that are its kernels'
  /// share of the run's. Without it every operation is costed as if the run were nothing else.
  OperationTime In(const RunLoad& run) const {
    OperationTime time = *this;
    time.load_ = run.share_of_peak();
    time.range_share_ = run.range_share();
    return time;
  }

  /// The same costs where products and attention take `pace` times as long: those of the slowest of
  /// many GPUs (slowest_gpu.h). CostOf(operation) alone minds it.
  OperationTime AtPace(double pace) const {
    OperationTime time = *this;
    time.pace_ = pace;
    return time;
  }

  /// In a run of seconds and more, at the clocks that the GPU then keeps.
  Result<Cost> CostOf(const Operation& operation) const {
    Result<Cost> cost = OfKernel(gpu_->CostInLongRun(operation, load_), operation);
    if (cost && !std::holds_alternative<MemoryBound>(operation)) {
      cost->mean = pace_ * cost->mean;
      cost->low = pace_ * cost->low;
      cost->high = pace_ * cost->high;
    }
    return cost;
  }
  /// By itself, at the clocks of a moment.
  Result<Cost> BurstCostOf(const Operation& operation) const {
    return OfKernel(gpu_->CostOf(operation), operation);
  }
  Result<Cost> CostUnder(const Operation& operation, const hardware::Condition& condition) const {
    return gpu_->CostUnder(operation, condition);
  }
  std::optional<Cost> CostOfLayer(const MixtureLayer& layer,
                                  const hardware::Condition& condition) const {
    return gpu_->CostOfLayer(layer, condition);
  }
  /// Errors: under `flow` and `simgrid` those of the fabric and of the runner (hardware/
  /// fabric_graph.h, sim/engine/traffic.h); none under `analytic`.
  Result<Cost> CostOf(const Collective& collective) const;
  /// Thread blocks that the collective library's kernels run for it, one on a multiprocessor each.
  int ChannelsOf(const Collective& collective) const;
  /// The flows behind it; null under `analytic` and on one node: inside a node no flows are run.
  const network::FlowCollectives* flows() const { return flows_.get(); }

  /// What the operations run on.
  const hardware::Gpu& gpu() const { return *described_; }

  /// Which measurements answer; null: none, all is analytic.
  const hardware::CalibrationIdentity* calibration() const {
    return measured_ == nullptr ? nullptr : &measured_->identity();
  }

  /// Every factor below peak that such a run can read.
  std::vector<hardware::RateInUse> RatesFor(const hardware::RunProfile& run) const;

 private:
  /// What binds a framework's kernel and no table knows: MemoryBound::least, and accesses that the
  /// multiprocessors issue at kIssued a cycle.
  Result<Cost> OfKernel(Result<Cost> cost, const Operation& operation) const;

  // Shared: measured tables live with the cluster's profile, and outlive whoever asks them.
  std::shared_ptr<const hardware::CostModel> gpu_;
  std::shared_ptr<const hardware::Gpu> described_;
  std::shared_ptr<const hardware::Cluster> cluster_;
  std::shared_ptr<const hardware::MeasuredCosts> measured_;  // of the cluster; may be null
  std::shared_ptr<const hardware::CollectiveCost> network_;
  std::shared_ptr<const network::FlowCollectives> flows_;  // is network_; null: closed forms
  std::shared_ptr<const Error> fabric_error_;              // why there are no flows; null: nothing
  double load_ = hardware::kAlone;
  double range_share_ = 1;
  double pace_ = 1;
};

}  // namespace ridgeline::compute

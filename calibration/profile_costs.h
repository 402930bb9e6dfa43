/// A fitted profile as what was measured for one GPU: its cost model and its collectives, with the
/// name that reports give it.
#pragma once

#include <memory>

#include "calibration/measured_collectives.h"
#include "calibration/measured_cost_model.h"
#include "calibration/profile.h"
#include "hardware/measured_costs.h"

namespace ridgeline::calibration {

class ProfileCosts final : public hardware::MeasuredCosts {
 public:
  /// `links_hold`: the cluster joins its GPUs as the measured ones were joined; else nothing
  /// measured is said of collectives. Faster memory changes no link, so a GPU with figures changed
  /// by hand keeps them; another GPU gets none.
  ProfileCosts(const Profile& profile, hardware::CalibrationIdentity identity,
               const hardware::Gpu& gpu, bool links_hold);

  const hardware::CalibrationIdentity& identity() const override { return identity_; }
  const hardware::CostModel& operations() const override { return operations_; }
  std::unique_ptr<const hardware::CollectiveCost> Complete(
      std::unique_ptr<const hardware::CollectiveCost> otherwise) const override;

 private:
  hardware::CalibrationIdentity identity_;
  MeasuredCostModel operations_;
  std::shared_ptr<const CollectiveTables> collectives_;  // shared by whoever completes them
};

}  // namespace ridgeline::calibration

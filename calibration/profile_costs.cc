#include "calibration/profile_costs.h"

#include <utility>

namespace ridgeline::calibration {

ProfileCosts::ProfileCosts(const Profile& profile, hardware::CalibrationIdentity identity,
                           const hardware::Gpu& gpu, bool links_hold)
    : identity_(std::move(identity)),
      operations_(profile, gpu, identity_.is_transferred),
      collectives_(links_hold && hardware::UnchangedName(gpu.name) == profile.gpu
                       ? std::make_shared<const CollectiveTables>(profile, gpu)
                       : std::make_shared<const CollectiveTables>()) {}

std::unique_ptr<const hardware::CollectiveCost> ProfileCosts::Complete(
    std::unique_ptr<const hardware::CollectiveCost> otherwise) const {
  return std::make_unique<MeasuredCollectives>(collectives_, std::move(otherwise));
}

}  // namespace ridgeline::calibration

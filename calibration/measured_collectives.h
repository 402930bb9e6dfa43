/// A fitted profile behind hardware/collective_cost.h: groups inside one node, where the profile
/// has a table of the collective that holds the size and the number of ranks; everything else is
/// asked of the model that it completes (sim/network's).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "calibration/cost_table.h"
#include "calibration/profile.h"
#include "hardware/collective_cost.h"

namespace ridgeline::calibration {

class MeasuredCollectives final : public hardware::CollectiveCost {
 public:
  /// `otherwise` outlives this and is never null. `links_hold`: the node's links between GPUs are
  /// those of the measured one (NVLink at the GPU's own rate); else nothing measured applies.
  MeasuredCollectives(Profile profile, const hardware::Gpu& gpu, bool links_hold,
                      const hardware::CollectiveCost* otherwise);
  Cost CostOf(const Collective& collective) const override;
  std::vector<hardware::RateInUse> RatesFor(const hardware::RunProfile& run) const override;

  /// From a table alone; nullopt when none holds the collective under the condition.
  std::optional<Cost> Measured(const Collective& collective, const Condition& condition) const;

 private:
  std::vector<CostTable> tables_;
  const hardware::CollectiveCost* otherwise_;
};

}  // namespace ridgeline::calibration

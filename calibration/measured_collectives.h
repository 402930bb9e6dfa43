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

/// The collectives of a profile, on links that are those of the measured GPU. Thread-safe.
class CollectiveTables {
 public:
  CollectiveTables() = default;  // none
  CollectiveTables(const Profile& profile, const hardware::Gpu& gpu);

  /// From a table alone; nullopt when none holds the collective under the condition, or when the
  /// collective names an algorithm or a protocol: tables are of the library's choice. Groups over
  /// several nodes have none: how fast they are is the fabric's doing, which no profile knows.
  std::optional<Cost> Measured(const Collective& collective, const Condition& condition) const;
  /// The largest buffer of it that was measured among as many ranks, in the steady condition.
  std::optional<Bytes> Most(const Collective& collective) const;
  const std::vector<CostTable>& tables() const { return tables_; }

 private:
  std::vector<CostTable> tables_;
};

class MeasuredCollectives final : public hardware::CollectiveCost {
 public:
  /// Neither is null. The tables are shared by every cluster of the GPU.
  MeasuredCollectives(std::shared_ptr<const CollectiveTables> tables,
                      std::unique_ptr<const hardware::CollectiveCost> otherwise);
  Cost CostOf(const Collective& collective) const override;
  std::vector<hardware::RateInUse> RatesFor(const hardware::RunProfile& run) const override;

 private:
  std::shared_ptr<const CollectiveTables> tables_;
  std::unique_ptr<const hardware::CollectiveCost> otherwise_;
};

}  // namespace ridgeline::calibration

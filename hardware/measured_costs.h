/// What was measured that holds for one cluster's GPU and links, and who knows it. Interfaces
/// only: calibration implements them, service hands them to the catalog, and whoever asks "how
/// long?" sees a CostModel.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "hardware/collective_cost.h"
#include "hardware/cost_model.h"

namespace ridgeline::hardware {

struct Cluster;

/// Which measurements an answer rests on, for reports.
struct CalibrationIdentity {
  std::string name;             // of the profile: "h100-sxm"
  std::string sha256;           // of its file's bytes
  std::string gpu;              // that was measured
  bool is_transferred = false;  // measured on another GPU than the one it is used for
  friend bool operator==(const CalibrationIdentity&, const CalibrationIdentity&) = default;
};

/// Immutable and thread-safe.
class MeasuredCosts {
 public:
  virtual ~MeasuredCosts() = default;
  virtual const CalibrationIdentity& identity() const = 0;
  /// Falls back to the roofline where nothing was measured, and says so by its evidence.
  virtual const CostModel& operations() const = 0;
  /// Collectives from what was measured; everything else is asked of `otherwise`.
  virtual std::unique_ptr<const CollectiveCost> Complete(
      std::unique_ptr<const CollectiveCost> otherwise) const = 0;
};

/// Thread-safe.
class CostSource {
 public:
  virtual ~CostSource() = default;
  /// What is known for the cluster's GPU; null: nothing, its costs are computed from the vendor's
  /// figures. Errors: measurements that do not read.
  virtual Result<std::shared_ptr<const MeasuredCosts>> For(const Cluster& cluster) const = 0;
};

}  // namespace ridgeline::hardware

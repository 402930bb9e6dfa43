/// "How long does this collective take over this group?" Calibration will implement it where it was
/// measured; sim/network completes it.
#pragma once

#include <vector>

#include "base/evidence.h"
#include "base/operation.h"
#include "hardware/rate_in_use.h"

namespace ridgeline::hardware {

class CollectiveCost {
 public:
  virtual ~CollectiveCost() = default;
  /// Time of one collective, alone on its links, all ranks arriving together. Zero for a group of
  /// one. Thread-safe.
  virtual Cost CostOf(const Collective& collective) const = 0;
  /// Every link rate and latency that CostOf can read for such a run, with its source.
  virtual std::vector<RateInUse> RatesFor(const RunProfile& run) const = 0;
};

}  // namespace ridgeline::hardware

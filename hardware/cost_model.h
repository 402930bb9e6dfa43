/// "How long does this operation take here?", with a range and with evidence. One of the project's
/// four open seams: the roofline answers today, measured tables tomorrow; whoever asks sees only
/// the evidence.
#pragma once

#include <vector>

#include "base/evidence.h"
#include "base/operation.h"
#include "base/result.h"
#include "hardware/rate_in_use.h"

namespace ridgeline::hardware {

class CostModel {
 public:
  virtual ~CostModel() = default;
  /// Time of one operation on one GPU, in the steady condition (device time inside a replayed
  /// graph, back to back, operands not in L2). Never faster than the operation's roofline at the
  /// vendor's peaks (INV-6). Fails (kFailedPrecondition) when the GPU cannot compute in the
  /// operation's data type. Thread-safe.
  virtual Result<Cost> CostOf(const Operation& operation) const = 0;
  /// Every factor below peak that CostOf can read for such a run, with its source.
  virtual std::vector<RateInUse> RatesFor(const RunProfile& run) const = 0;
};

}  // namespace ridgeline::hardware

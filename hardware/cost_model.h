/// "How long does this operation take here?", with a range and with evidence. One of the project's
/// four open seams: the roofline answers where nothing was measured, calibration's tables
/// elsewhere; whoever asks sees only the evidence.
#pragma once

#include <optional>
#include <vector>

#include "base/evidence.h"
#include "base/mixture_layer.h"
#include "base/operation.h"
#include "base/result.h"
#include "hardware/condition.h"
#include "hardware/rate_in_use.h"

namespace ridgeline::hardware {

/// Load of a run that is nothing but the operation asked about: no operation exceeds the peak.
inline constexpr double kAlone = 1.0;

class CostModel {
 public:
  virtual ~CostModel() = default;
  /// Time of one operation on one GPU, in the steady condition (device time inside a replayed
  /// graph, back to back, operands not in L2). Never faster than the operation's roofline at the
  /// vendor's peaks (INV-6). Fails (kFailedPrecondition) when the GPU cannot compute in the
  /// operation's data type. Thread-safe.
  virtual Result<Cost> CostOf(const Operation& operation) const = 0;
  /// The same where kernels follow each other for seconds, as in any simulated run: in the steady
  /// condition but at sustained clocks, and with layouts as frameworks call them. `load`: the mean
  /// share of peak arithmetic that the run's kernels reach, which its clocks follow; kAlone: the
  /// run is this operation over and over.
  virtual Result<Cost> CostInLongRun(const Operation& operation, double load) const {
    static_cast<void>(load);
    return CostOf(operation);
  }
  /// The same under a condition. Fails (kFailedPrecondition) where it cannot answer for that one;
  /// a model that knows a single condition fails with kUnimplemented.
  virtual Result<Cost> CostUnder(const Operation& operation, const Condition& condition) const;
  /// A whole mixture layer, where such layers were measured under the condition; nothing: sum its
  /// parts.
  virtual std::optional<Cost> CostOfLayer(const MixtureLayer& layer,
                                          const Condition& condition) const;
  /// Every factor below peak that CostOf can read for such a run, with its source.
  virtual std::vector<RateInUse> RatesFor(const RunProfile& run) const = 0;
};

}  // namespace ridgeline::hardware

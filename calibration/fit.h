/// Measurements to a profile: for each pattern, condition, source and variant, physics first (four
/// numbers), then the residual by trees, by neighbours or by both (table_fit.h), then the ranges
/// from rows left out; and over all of them the law of sustained clocks.
///
/// Held-out points never come in: Fit refuses them, so that no figure which `calibrate check`
/// prints over them can be a figure of memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "calibration/measurement.h"
#include "calibration/profile.h"
#include "hardware/gpu.h"

namespace ridgeline::calibration {

struct FitCounts {
  int64_t used = 0;
  int64_t repeated = 0;    // further points of a shape; their median is used
  int64_t skipped = 0;     // points without a time
  int64_t busy = 0;        // somebody else used the GPU
  int64_t impossible = 0;  // less time than the arithmetic takes at the vendor's peak
  int64_t other = 0;       // of another GPU, or no operation that the model prices
  int64_t sparse = 0;      // in tables of fewer than kFewestRows
};
struct Fitted {
  Profile profile;
  FitCounts counts;
};

struct FitOptions {
  /// Points that say that others used the GPU count like the rest. For a file whose owner knows the
  /// flag to be wrong; off, because a wrong time is worse than none.
  bool takes_busy = false;
};

/// Fewer shapes than these are not interpolated between: a plane in three sizes, twice.
inline constexpr size_t kFewestRows = 8;

/// kFailedPrecondition when any point is held out; kInvalidArgument when nothing remains. Own
/// measurements precede imported ones, plain ones those `with` a variant, which have tables of
/// their own; else the order of sources is that of the points. Takes a
/// minute for 100,000 points.
Result<Fitted> Fit(std::span<const Measurement> points, const hardware::Gpu& gpu, const Stop& stop,
                   const FitOptions& options = {});

/// The two halves of a file.
struct SplitPoints {
  std::vector<Measurement> to_fit;
  std::vector<Measurement> held_out;
};
SplitPoints SplitHeldOut(std::vector<Measurement> points);

}  // namespace ridgeline::calibration

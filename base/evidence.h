/// How a number is known. Every cost and every metric names it; no extrapolation is silent (INV-9).
#pragma once

#include <string_view>

#include "base/units.h"

namespace ridgeline {

/// Ordered from best to worst: a sum is as good as its worst term that matters.
enum class Evidence { kMeasured, kInterpolated, kExtrapolated, kAnalytic };

constexpr std::string_view EvidenceName(Evidence evidence) {
  switch (evidence) {
    case Evidence::kMeasured:
      return "measured";
    case Evidence::kInterpolated:
      return "interpolated";
    case Evidence::kExtrapolated:
      return "extrapolated";
    case Evidence::kAnalytic:
      return "analytic";
  }
  return "analytic";
}

constexpr Evidence Worse(Evidence a, Evidence b) { return a < b ? b : a; }

/// How long something takes: the expectation and the range that should hold about 90 % of real
/// measurements.
struct Cost {
  Seconds mean;
  Seconds low;
  Seconds high;
  Evidence evidence = Evidence::kAnalytic;

  friend Cost operator+(const Cost& a, const Cost& b) {
    return {a.mean + b.mean, a.low + b.low, a.high + b.high, Worse(a.evidence, b.evidence)};
  }
};

}  // namespace ridgeline

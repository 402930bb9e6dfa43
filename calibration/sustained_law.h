/// How much longer an operation takes at the clocks of a long run than in a burst.
///
/// A GPU kept at its power cap lowers its clock by what its arithmetic draws, so the slowdown is a
/// matter of how busy the tensor cores are and of little else:
///
///     log(sustained / burst) = max(0, constant + slope * u),  u = FLOPs / (peak * burst time)
///
/// Two numbers a GPU, shared by data types: on an H100, bf16 and fp8 agree within a tenth (slopes
/// 0.20 and 0.19), because both are capped by the same 700 W.
#pragma once

#include <cstdint>
#include <span>

namespace ridgeline::calibration {

struct SustainedLaw {
  double constant = 0;
  double slope = 0;
  double error = 0;    // of the logarithm: nine points in ten are within it
  int64_t points = 0;  // that it was fitted to; 0: there is no law

  /// Logarithm of sustained over burst at that share of the peak.
  double LogSlowdown(double utilisation) const;

  /// The law of a like GPU whose power cap is `headroom` times as large for each FLOP/s of its
  /// peak. At the cap dynamic power is that of the clock times the square of a voltage that goes
  /// with it, so the clock goes with the cube root of what is allowed.
  SustainedLaw WithHeadroom(double headroom) const;
};

struct SustainedPoint {
  double utilisation = 0;
  double log_slowdown = 0;
};
/// Least squares; no law for fewer than kFewestSustained points or when they do not slow down.
inline constexpr size_t kFewestSustained = 6;
SustainedLaw FitSustainedLaw(std::span<const SustainedPoint> points);

}  // namespace ridgeline::calibration

/// What a run's kernels have in common that none of them has alone.
///
/// Load: how busy it keeps its tensor cores while kernels run, FLOPs over the peak against the time
/// that its kernels take in a burst. A GPU at its power cap lowers its clock by what the whole run
/// draws, so a GEMM between element-wise kernels runs faster than one after another
/// (calibration/sustained_law.h).
///
/// Range: the error of a kernel's cost is partly its shape's own, which averages out over many
/// shapes, and partly that of all kernels, which does not. If every cost is off by its whole range,
/// independently but for a share `r` that all have in common, the sum is off by
/// sqrt(r^2 + (1 - r^2) sum c_i^2 / (sum c_i)^2) of its range, c_i being half-widths in time.
#pragma once

#include <vector>

#include "base/evidence.h"
#include "base/operation.h"
#include "hardware/gpu.h"

namespace ridgeline::compute {

/// r above: how far errors of whole steps and passes of PyTorch exceed what independent errors of
/// their kernels would give (configs/validation/pytorch-steps, even cases).
inline constexpr double kSharedError = 0.25;

class RunLoad {
 public:
  /// Keeps a reference.
  explicit RunLoad(const hardware::Gpu& gpu) : gpu_(&gpu) {}
  /// `times` executions of an operation that takes `burst`. O(distinct operations).
  void Add(const Operation& operation, const Cost& burst, double times);
  /// From 0 to 1; of nothing: hardware::kAlone.
  double share_of_peak() const;
  /// From kSharedError to 1, which it is for a single operation and for nothing.
  double range_share() const;

 private:
  /// Equal operations err together.
  struct Distinct {
    Operation operation;
    Seconds half_width;  // of all executions
  };
  const hardware::Gpu* gpu_;
  Seconds at_peak_;
  Seconds in_burst_;
  std::vector<Distinct> distinct_;
};

}  // namespace ridgeline::compute

/// How busy a run keeps its tensor cores while kernels run: FLOPs over the peak, against the time
/// that its kernels take in a burst. A GPU at its power cap lowers its clock by what the whole run
/// draws, so a GEMM between element-wise kernels runs faster than one after another
/// (calibration/sustained_law.h).
#pragma once

#include "base/evidence.h"
#include "base/operation.h"
#include "hardware/gpu.h"

namespace ridgeline::compute {

class RunLoad {
 public:
  /// Keeps a reference.
  explicit RunLoad(const hardware::Gpu& gpu) : gpu_(&gpu) {}
  /// `times` executions of an operation that takes `burst`.
  void Add(const Operation& operation, const Cost& burst, double times);
  /// From 0 to 1; of nothing: hardware::kAlone.
  double share_of_peak() const;

 private:
  const hardware::Gpu* gpu_;
  Seconds at_peak_;
  Seconds in_burst_;
};

}  // namespace ridgeline::compute

/// The analytic cost model: an operation takes as long as the slower of its arithmetic at the
/// sustained rate of its data type and its bytes at the sustained memory bandwidth, and never less
/// than the kernel floor (Williams, Waterman and Patterson 2009).
///
/// mean = max(FLOPs / sustained, bytes / sustained bandwidth, floor). The range runs from the
/// roofline at the vendor's peaks (which nothing beats) or the best cited sustained rate, whichever
/// is slower, to the worst cited sustained rate of large kernels. Evidence: analytic.
#pragma once

#include <vector>

#include "hardware/cost_model.h"
#include "hardware/gpu.h"

namespace ridgeline::hardware {

class Roofline final : public CostModel {
 public:
  explicit Roofline(Gpu gpu) : gpu_(std::move(gpu)) {}
  Result<Cost> CostOf(const Operation& operation) const override;
  /// Those of the run's data types that the GPU computes in, memory's and the kernel floor.
  std::vector<RateInUse> RatesFor(const RunProfile& run) const override;
  const Gpu& gpu() const { return gpu_; }

 private:
  Gpu gpu_;
};

/// At the vendor's peaks, no floor: the bound that nothing beats (INV-6).
Result<Seconds> PeakBound(const Gpu& gpu, const Operation& operation);

}  // namespace ridgeline::hardware

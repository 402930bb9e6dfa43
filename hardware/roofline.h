/// The analytic cost model: an operation takes as long as the slower of its arithmetic at the
/// sustained rate of its data type and its bytes at the sustained memory bandwidth, and never less
/// than the kernel floor (Williams, Waterman and Patterson 2009).
///
/// mean = max(FLOPs / sustained, bytes / sustained bandwidth, floor). The range runs from the
/// roofline at the vendor's peaks (which nothing beats) or the best cited sustained rate, whichever
/// is slower, to the worst cited sustained rate of large kernels. Evidence: analytic.
#pragma once

#include <string>
#include <vector>

#include "hardware/cost_model.h"
#include "hardware/gpu.h"

namespace ridgeline::hardware {

/// One factor below peak that the model reads: what, how much of the peak, and where it was
/// measured.
struct RateInUse {
  std::string what;   // "bf16 matrix rate of h100-sxm"
  std::string value;  // "798 TFLOP/s"
  double of_peak = 1.0;
  std::string source;
};

class Roofline final : public CostModel {
 public:
  explicit Roofline(Gpu gpu) : gpu_(std::move(gpu)) {}
  Result<Cost> CostOf(const Operation& operation) const override;
  /// Every sustained rate and floor that CostOf can read, for the tables that list them beside a
  /// result.
  std::vector<RateInUse> RatesInUse() const;
  const Gpu& gpu() const { return gpu_; }

 private:
  Gpu gpu_;
};

/// At the vendor's peaks, no floor: the bound that nothing beats (INV-6).
Result<Seconds> PeakBound(const Gpu& gpu, const Operation& operation);

}  // namespace ridgeline::hardware

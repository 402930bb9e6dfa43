/// Ranks that work in step go at the pace of the slowest of their GPUs.
///
/// GPUs of one model differ: at a power cap, manufacturing and cooling decide the clock. Sinha et
/// al. (arXiv:2208.11035) measured 8 % between the ends of a product's time over the GPUs of a
/// cluster, outliers left out: the whiskers of a box plot, which for a normal law lie 5.4 standard
/// deviations apart. Kernels bound by memory hardly differ (the same, section 5).
///
/// One GPU is taken as the mean one; of n, the slowest is expected at Blom's quantile of the normal
/// law, (n - 3/8) / (n + 1/4) (Blom 1958): 2 % slower of 8, 4.5 % of 512, 6 % of 16,384.
#pragma once

#include <cstdint>

namespace ridgeline::compute {

/// Standard deviation of a product's time over GPUs, relative.
inline constexpr double kGpuSpread = 0.08 / 5.4;

/// Standard deviations that the largest of `count` normal draws is expected above their mean.
double ExpectedLargest(int64_t count);

/// Time of a product on the slowest of `gpus` over that on the mean one.
inline double PaceOfSlowest(int64_t gpus, double spread = kGpuSpread) {
  return 1 + spread * ExpectedLargest(gpus);
}

}  // namespace ridgeline::compute

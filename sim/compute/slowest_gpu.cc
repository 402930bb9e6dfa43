#include "sim/compute/slowest_gpu.h"

#include <cmath>

namespace ridgeline::compute {
namespace {

/// Of the normal law: Abramowitz and Stegun, 26.2.23, refined by two steps of Newton's method.
double NormalQuantile(double probability) {
  const double tail = 1 - probability;
  const double t = std::sqrt(-2 * std::log(tail));
  double x = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                     (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (int i = 0; i < 2; ++i) {
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2 * M_PI);
    x += (0.5 * std::erfc(x / std::sqrt(2.0)) - tail) / density;
  }
  return x;
}

}  // namespace

double ExpectedLargest(int64_t count) {
  if (count <= 1) {
    return 0;
  }
  const auto n = static_cast<double>(count);
  return NormalQuantile((n - 0.375) / (n + 0.25));
}

}  // namespace ridgeline::compute

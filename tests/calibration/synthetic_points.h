/// Points whose law is known, and the shipped GPUs and profiles.
#pragma once

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "base/random.h"
#include "calibration/fit.h"
#include "hardware/catalog.h"

namespace ridgeline::calibration {

inline const std::filesystem::path kConfigs =
    std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs";

inline hardware::Gpu ShippedGpu(const std::string& name) {
  Reference<hardware::Gpu> reference;
  reference.name = name;
  return hardware::Catalog({kConfigs}).ResolveGpu(reference).value();
}

/// 5 us + the longer of FLOPs at 60 % and bytes at 80 % of h100-sxm's peaks, in seconds.
inline double KnownTime(const Gemm& gemm) {
  return 5e-6 +
         std::max(FlopsOf(gemm).base() / (0.6 * 989.4e12), BytesOf(gemm).base() / (0.8 * 3352e9));
}

/// Random shapes of 16 to 16,384 a side, times off by a factor of e^(noise x normal).
inline std::vector<Measurement> KnownGemms(int count, double noise, uint64_t seed = 7) {
  RandomStream random(seed, "synthetic gemms");
  std::vector<Measurement> points;
  const auto side = [&] { return std::llround(std::exp2(random.Uniform(4, 14))); };
  for (int i = 0; i < count; ++i) {
    const Gemm gemm{.m = side(), .n = side(), .k = side()};
    const double time = KnownTime(gemm) * std::exp(noise * random.Normal());
    points.push_back({.operation = gemm,
                      .condition = {},
                      .gpu = "h100-sxm",
                      .time = Seconds::FromBase(time),
                      .source = "own"});
  }
  return points;
}

}  // namespace ridgeline::calibration

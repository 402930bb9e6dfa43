/// The factors below peak that an answer leans on, for the tables that list them beside it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace ridgeline::hardware {

/// One factor below peak that a cost model reads: what, how much of the peak, and where it was
/// measured.
struct RateInUse {
  std::string what;   // "bf16 matrix rate of h100-sxm"
  std::string value;  // "798 TFLOP/s"
  double of_peak = 1.0;
  std::string source;
};

/// What of a machine a run uses, as far as the choice of rates goes.
struct RunProfile {
  std::vector<DType> dtypes = {};    // of its arithmetic; fp32 for vector FLOPs
  bool has_fused_attention = false;  // in 16 bit
  int64_t gpus = 1;
};

}  // namespace ridgeline::hardware

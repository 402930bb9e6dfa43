#include "sim/compute/run_load.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "hardware/cost_model.h"

namespace ridgeline::compute {

void RunLoad::Add(const Operation& operation, const Cost& burst, double times) {
  in_burst_ += times * burst.mean;
  const Seconds half_width = 0.5 * times * (burst.high - burst.low);
  const auto known = std::ranges::find(distinct_, operation, &Distinct::operation);
  if (known != distinct_.end()) {
    known->half_width += half_width;
  } else {
    distinct_.push_back({operation, half_width});
  }
  const bool is_arithmetic = !std::holds_alternative<MemoryBound>(operation);
  const DType dtype = std::visit([](const auto& op) { return op.dtype; }, operation);
  const std::optional<FlopsPerSecond> peak = hardware::PeakOf(*gpu_, dtype);
  if (is_arithmetic && peak) {
    at_peak_ += times * (FlopsOf(operation) / *peak);
  }
}

double RunLoad::share_of_peak() const {
  return in_burst_ > Seconds{} ? std::min(1.0, at_peak_ / in_burst_) : hardware::kAlone;
}

double RunLoad::range_share() const {
  double sum = 0;
  double squares = 0;
  for (const Distinct& distinct : distinct_) {
    sum += distinct.half_width.base();
    squares += distinct.half_width.base() * distinct.half_width.base();
  }
  if (sum <= 0) {
    return 1;
  }
  constexpr double kShared = kSharedError * kSharedError;
  return std::sqrt(kShared + (1 - kShared) * squares / (sum * sum));
}

}  // namespace ridgeline::compute

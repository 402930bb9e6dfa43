#include "sim/compute/run_load.h"

#include <algorithm>
#include <optional>
#include <type_traits>

#include "hardware/cost_model.h"

namespace ridgeline::compute {

void RunLoad::Add(const Operation& operation, const Cost& burst, double times) {
  in_burst_ += times * burst.mean;
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

}  // namespace ridgeline::compute

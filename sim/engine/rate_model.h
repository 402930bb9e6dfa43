/// How fast tasks run beside each other: a collective slows the GEMM that shares its GPU.
#pragma once

#include <cstdint>
#include <span>

#include "sim/engine/program.h"

namespace ridgeline::engine {

class RateModel {
 public:
  virtual ~RateModel() = default;
  /// Sets rates[i], in (0, 1], for running[i]: picoseconds of work done a picosecond. `running` are
  /// the tasks that run on `rank`, in the order of their streams, one a stream; never empty. Called
  /// whenever that set has changed, once an instant. Must be a function of its arguments alone, or
  /// runs do not repeat. The engine rounds a rate to a multiple of 2^-32.
  virtual void SetRates(uint32_t rank, std::span<const TaskIndex> running,
                        std::span<double> rates) = 0;
};

}  // namespace ridgeline::engine

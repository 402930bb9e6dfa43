/// The clock that multiprocessors really ran at between two points of a stream, counted on the
/// device: cycles (%clock64) over nanoseconds (%globaltimer). NVML's reading is an average that
/// lags by tens of milliseconds, longer than a measurement takes.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "calibration/measure/cuda_status.cuh"

namespace ridgeline::measure {

class ClockProbe {
 public:
  ClockProbe() = default;
  ClockProbe(const ClockProbe&) = delete;
  ClockProbe& operator=(const ClockProbe&) = delete;
  ~ClockProbe();

  Status Open(int multiprocessors);
  /// Reads both counters of every multiprocessor into `slot` (below kSlots). Takes about 3 us.
  Status Mark(int slot, cudaStream_t stream);
  /// Mean clock in hertz between two marks that have run: the median over the multiprocessors that
  /// both saw; -1 when none was.
  Result<double> ClockBetween(int begin, int end) const;

  static constexpr int kSlots = 16;

 private:
  struct Reading {
    int64_t cycles;
    int64_t nanoseconds;
  };
  Reading* readings_ = nullptr;  // [kSlots][multiprocessors_]; zeros where nothing was read
  int multiprocessors_ = 0;
};

}  // namespace ridgeline::measure

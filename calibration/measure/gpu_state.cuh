/// What state the GPU was in while a point ran: clocks, power, throttling, other users. Read
/// through NVML, which is loaded at run time (the toolkit may lack its header); without it the
/// figures are absent, and said to be. Only reads: clocks and limits are left as they are found.
#pragma once

#include <cstdint>
#include <string>

namespace ridgeline::measure {

struct GpuState {
  double sm_clock_hz = -1;  // negative: not known
  double power_w = -1;
  double temperature_c = -1;
  uint64_t throttle_reasons = 0;  // NVML's nvmlClocksEventReasons bits
  /// Slowed by heat, by the power cap or by the board, which is not idling or set clocks.
  bool IsThrottled() const { return (throttle_reasons & 0xECU) != 0; }
};

class GpuMonitor {
 public:
  /// Of the CUDA device, found by its PCI address.
  explicit GpuMonitor(int device);
  ~GpuMonitor();
  GpuMonitor(const GpuMonitor&) = delete;
  GpuMonitor& operator=(const GpuMonitor&) = delete;

  bool is_there() const { return handle_ != nullptr; }
  GpuState Now() const;
  /// Other processes with a context on this GPU; with `we_are_idle`, also load that is not ours.
  bool IsBusy(bool we_are_idle) const;
  std::string DriverVersion() const;

 private:
  void* library_ = nullptr;
  void* handle_ = nullptr;
};

}  // namespace ridgeline::measure

#include <array>
#include <vector>

#include <cuda_runtime.h>
#include <dlfcn.h>
#include <unistd.h>

#include "calibration/measure/gpu_state.cuh"

namespace ridgeline::measure {
namespace {

// NVML's own prototypes, from its public reference manual: return 0 for success.
using Init = int (*)();
using HandleByPci = int (*)(const char*, void**);
using ReadUnsigned = int (*)(void*, unsigned*);
using ReadUnsignedOf = int (*)(void*, unsigned, unsigned*);
using ReadReasons = int (*)(void*, unsigned long long*);
using ReadText = int (*)(char*, unsigned);
struct ProcessInfo {
  unsigned pid;
  unsigned long long used_memory;
  unsigned gpu_instance;
  unsigned compute_instance;
};
using ReadProcesses = int (*)(void*, unsigned*, ProcessInfo*);
struct Utilization {
  unsigned gpu;
  unsigned memory;
};
using ReadUtilization = int (*)(void*, Utilization*);

constexpr unsigned kSmClock = 1;
constexpr unsigned kGpuTemperature = 0;

template <class F>
F Symbol(void* library, const char* name) {
  return library == nullptr ? nullptr : reinterpret_cast<F>(dlsym(library, name));
}

}  // namespace

GpuMonitor::GpuMonitor(int device) {
  std::array<char, 32> address = {};
  if (cudaDeviceGetPCIBusId(address.data(), static_cast<int>(address.size()), device) !=
      cudaSuccess) {
    return;
  }
  library_ = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  const auto init = Symbol<Init>(library_, "nvmlInit_v2");
  const auto by_pci = Symbol<HandleByPci>(library_, "nvmlDeviceGetHandleByPciBusId_v2");
  if (init == nullptr || by_pci == nullptr || init() != 0 ||
      by_pci(address.data(), &handle_) != 0) {
    handle_ = nullptr;
  }
}

GpuMonitor::~GpuMonitor() {
  if (const auto shutdown = Symbol<Init>(library_, "nvmlShutdown")) {
    shutdown();
  }
  if (library_ != nullptr) {
    dlclose(library_);
  }
}

GpuState GpuMonitor::Now() const {
  GpuState state;
  if (handle_ == nullptr) {
    return state;
  }
  unsigned value = 0;
  const auto clock = Symbol<ReadUnsignedOf>(library_, "nvmlDeviceGetClockInfo");
  if (clock != nullptr && clock(handle_, kSmClock, &value) == 0) {
    state.sm_clock_hz = value * 1e6;
  }
  const auto power = Symbol<ReadUnsigned>(library_, "nvmlDeviceGetPowerUsage");
  if (power != nullptr && power(handle_, &value) == 0) {
    state.power_w = value * 1e-3;
  }
  const auto temperature = Symbol<ReadUnsignedOf>(library_, "nvmlDeviceGetTemperature");
  if (temperature != nullptr && temperature(handle_, kGpuTemperature, &value) == 0) {
    state.temperature_c = value;
  }
  auto reasons = Symbol<ReadReasons>(library_, "nvmlDeviceGetCurrentClocksEventReasons");
  if (reasons == nullptr) {
    reasons = Symbol<ReadReasons>(library_, "nvmlDeviceGetCurrentClocksThrottleReasons");
  }
  unsigned long long bits = 0;
  if (reasons != nullptr && reasons(handle_, &bits) == 0) {
    state.throttle_reasons = bits;
  }
  return state;
}

bool GpuMonitor::IsBusy(bool we_are_idle) const {
  if (handle_ == nullptr) {
    return false;
  }
  std::vector<ProcessInfo> processes(64);
  auto count = static_cast<unsigned>(processes.size());
  const auto list = Symbol<ReadProcesses>(library_, "nvmlDeviceGetComputeRunningProcesses_v3");
  if (list != nullptr && list(handle_, &count, processes.data()) == 0) {
    // In a container our own process may stand there under another number: one is ours.
    if (count > 1) {
      return true;
    }
  }
  Utilization load = {};
  const auto utilization = Symbol<ReadUtilization>(library_, "nvmlDeviceGetUtilizationRates");
  return we_are_idle && utilization != nullptr && utilization(handle_, &load) == 0 && load.gpu > 20;
}

std::string GpuMonitor::DriverVersion() const {
  std::array<char, 96> text = {};
  const auto read = Symbol<ReadText>(library_, "nvmlSystemGetDriverVersion");
  return read != nullptr && read(text.data(), static_cast<unsigned>(text.size())) == 0
             ? std::string(text.data())
             : std::string("unknown");
}

}  // namespace ridgeline::measure

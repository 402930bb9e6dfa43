#include <algorithm>

#include "calibration/measure/clock_probe.cuh"

namespace ridgeline::measure {
namespace {

// Blocks land where there is room: twice as many as multiprocessors reach nearly all of them.
constexpr int kBlocksPerMultiprocessor = 2;

__global__ void ReadClocks(int64_t* readings, int multiprocessors) {
  unsigned which = 0;
  asm volatile("mov.u32 %0, %%smid;" : "=r"(which));
  if (threadIdx.x != 0 || which >= static_cast<unsigned>(multiprocessors)) {
    return;
  }
  unsigned long long nanoseconds = 0;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(nanoseconds));
  readings[2 * which] = clock64();
  readings[2 * which + 1] = static_cast<int64_t>(nanoseconds);
}

}  // namespace

ClockProbe::~ClockProbe() {
  if (readings_ != nullptr) {
    static_cast<void>(cudaFree(readings_));
  }
}

Status ClockProbe::Open(int multiprocessors) {
  multiprocessors_ = multiprocessors;
  const size_t bytes = sizeof(Reading) * static_cast<size_t>(kSlots * multiprocessors);
  RETURN_IF_ERROR(Cuda(cudaMalloc(&readings_, bytes), "allocate for clock readings"));
  return Cuda(cudaMemset(readings_, 0, bytes), "clear the clock readings");
}

Status ClockProbe::Mark(int slot, cudaStream_t stream) {
  static_assert(sizeof(Reading) == 2 * sizeof(int64_t));
  ReadClocks<<<kBlocksPerMultiprocessor * multiprocessors_, 32, 0, stream>>>(
      reinterpret_cast<int64_t*>(readings_ + slot * multiprocessors_), multiprocessors_);
  return Cuda(cudaGetLastError(), "read the clocks");
}

Result<double> ClockProbe::ClockBetween(int begin, int end) const {
  const auto fetch = [&](int slot) -> Result<std::vector<Reading>> {
    std::vector<Reading> read(static_cast<size_t>(multiprocessors_));
    RETURN_IF_ERROR(Cuda(cudaMemcpy(read.data(), readings_ + slot * multiprocessors_,
                                    sizeof(Reading) * read.size(), cudaMemcpyDeviceToHost),
                         "fetch clock readings"));
    return read;
  };
  ASSIGN_OR_RETURN(const std::vector<Reading> first, fetch(begin));
  ASSIGN_OR_RETURN(const std::vector<Reading> last, fetch(end));
  std::vector<double> clocks;
  for (size_t i = 0; i < first.size(); ++i) {
    const auto elapsed = static_cast<double>(last[i].nanoseconds - first[i].nanoseconds);
    if (first[i].nanoseconds > 0 && elapsed > 0 && last[i].cycles > first[i].cycles) {
      clocks.push_back(static_cast<double>(last[i].cycles - first[i].cycles) / elapsed * 1e9);
    }
  }
  if (clocks.empty()) {
    return -1.0;
  }
  const auto middle = clocks.begin() + static_cast<std::ptrdiff_t>(clocks.size() / 2);
  std::nth_element(clocks.begin(), middle, clocks.end());
  return *middle;
}

}  // namespace ridgeline::measure

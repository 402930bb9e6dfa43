/// Prints what GPUs are here and how fast each copies its own memory, one JSON object a line.
///
///     ridgeline_measure            all GPUs
///     ridgeline_measure --list     devices only, no measurement
///
/// Copy bandwidth: a kernel that reads and writes a buffer much larger than L2, timed by events
/// around `kInner` launches. Rounds go on until the relative deviation of the last `kWindow` falls
/// below 0.5 % or has had its time (NVBench's stopping rule, in small). Bytes are counted read plus
/// written. Exit code 1, with a sentence, when there is no GPU or a CUDA call fails.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <vector>

#include <cuda_runtime.h>

namespace {

constexpr size_t kBufferBytes = size_t{1} << 30;  // 20 times the largest L2
constexpr int kInner = 10;
constexpr size_t kWindow = 10;
constexpr size_t kMostRounds = 200;
constexpr double kEnoughDeviation = 0.005;

/// True when the call went well; says what failed otherwise.
bool Ok(cudaError_t status, const char* what) {
  if (status == cudaSuccess) {
    return true;
  }
  std::fprintf(stderr, "error: %s: %s (%s)\n", what, cudaGetErrorString(status),
               cudaGetErrorName(status));
  return false;
}

__global__ void Copy(const float4* __restrict__ from, float4* __restrict__ to, size_t count) {
  const size_t stride = size_t{gridDim.x} * blockDim.x;
  for (size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) {
    to[i] = from[i];
  }
}

/// Device memory and events of one measurement, released in any case.
struct Buffers {
  float4* from = nullptr;
  float4* to = nullptr;
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;

  bool Allocate() {
    return Ok(cudaMalloc(&from, kBufferBytes), "allocate the source") &&
           Ok(cudaMalloc(&to, kBufferBytes), "allocate the target") &&
           Ok(cudaMemset(from, 0x5a, kBufferBytes), "fill the source") &&
           Ok(cudaEventCreate(&begin), "create an event") &&
           Ok(cudaEventCreate(&end), "create an event");
  }
  ~Buffers() {
    if (begin != nullptr) Ok(cudaEventDestroy(begin), "destroy an event");
    if (end != nullptr) Ok(cudaEventDestroy(end), "destroy an event");
    if (from != nullptr) Ok(cudaFree(from), "free the source");
    if (to != nullptr) Ok(cudaFree(to), "free the target");
  }
};

struct Spread {
  double mean = 0.0;
  double deviation = 0.0;  // relative to the mean
};

/// Of the last kWindow rates.
Spread SpreadOf(const std::vector<double>& rates) {
  const size_t count = std::min(kWindow, rates.size());
  Spread spread;
  for (size_t i = rates.size() - count; i < rates.size(); ++i) {
    spread.mean += rates[i] / static_cast<double>(count);
  }
  double square = 0.0;
  for (size_t i = rates.size() - count; i < rates.size(); ++i) {
    square += (rates[i] - spread.mean) * (rates[i] - spread.mean) / static_cast<double>(count);
  }
  spread.deviation = std::sqrt(square) / spread.mean;
  return spread;
}

/// One timed round, in bytes per second; negative when a call failed.
double TimedRound(const Buffers& buffers, int blocks) {
  constexpr int kThreads = 512;
  if (!Ok(cudaEventRecord(buffers.begin), "record an event")) {
    return -1;
  }
  for (int i = 0; i < kInner; ++i) {
    Copy<<<blocks, kThreads>>>(buffers.from, buffers.to, kBufferBytes / sizeof(float4));
    if (!Ok(cudaGetLastError(), "launch the copy")) {
      return -1;
    }
  }
  float milliseconds = 0;
  if (!Ok(cudaEventRecord(buffers.end), "record an event") ||
      !Ok(cudaEventSynchronize(buffers.end), "wait for the copy") ||
      !Ok(cudaEventElapsedTime(&milliseconds, buffers.begin, buffers.end), "read the timer")) {
    return -1;
  }
  return 2.0 * static_cast<double>(kBufferBytes) * kInner /
         (static_cast<double>(milliseconds) * 1e-3);
}

/// True when what was copied is what was there: a fast wrong copy must not count.
bool IsCopied(const Buffers& buffers) {
  std::vector<unsigned char> sample(4096);
  const char* last = reinterpret_cast<const char*>(buffers.to) + kBufferBytes - sample.size();
  return Ok(cudaMemcpy(sample.data(), last, sample.size(), cudaMemcpyDeviceToHost), "read back") &&
         std::all_of(sample.begin(), sample.end(), [](unsigned char byte) { return byte == 0x5a; });
}

bool MeasureCopy(int device, const cudaDeviceProp& properties) {
  Buffers buffers;
  if (!Ok(cudaSetDevice(device), "select the device") || !buffers.Allocate()) {
    return false;
  }
  const int blocks = 8 * properties.multiProcessorCount;
  std::vector<double> rates;
  // The first round warms clocks and TLBs and is dropped.
  if (TimedRound(buffers, blocks) < 0) {
    return false;
  }
  Spread spread;
  while (rates.size() < kMostRounds) {
    const double rate = TimedRound(buffers, blocks);
    if (rate < 0) {
      return false;
    }
    rates.push_back(rate);
    spread = SpreadOf(rates);
    if (rates.size() >= kWindow && spread.deviation < kEnoughDeviation) {
      break;
    }
  }
  if (!IsCopied(buffers)) {
    std::fprintf(stderr, "error: the copy is not what was copied\n");
    return false;
  }
  std::printf(
      "{\"kind\":\"copy\",\"device\":%d,\"bytes\":%zu,\"bytes_per_second\":%.6g,\"relative_"
      "deviation\":%.3g,"
      "\"rounds\":%zu}\n",
      device, 2 * kBufferBytes, spread.mean, spread.deviation, rates.size());
  return true;
}

bool PrintDevice(int device, cudaDeviceProp& properties) {
  if (!Ok(cudaGetDeviceProperties(&properties, device), "read the device's properties")) {
    return false;
  }
  std::printf(
      "{\"kind\":\"device\",\"device\":%d,\"name\":\"%s\",\"compute_capability\":\"%d.%d\","
      "\"streaming_multiprocessors\":%d,\"memory_bytes\":%zu,\"l2_bytes\":%d}\n",
      device, properties.name, properties.major, properties.minor, properties.multiProcessorCount,
      properties.totalGlobalMem, properties.l2CacheSize);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const bool lists_only = argc == 2 && std::strcmp(argv[1], "--list") == 0;
  if (argc > 1 && !lists_only) {
    std::fprintf(stderr, "usage: ridgeline_measure [--list]\n");
    return 2;
  }
  int driver = 0;
  int runtime = 0;
  int count = 0;
  if (!Ok(cudaDriverGetVersion(&driver), "read the driver's version") ||
      !Ok(cudaRuntimeGetVersion(&runtime), "read the runtime's version")) {
    return 1;
  }
  const cudaError_t found = cudaGetDeviceCount(&count);
  if (found != cudaSuccess || count == 0) {
    std::fprintf(stderr,
                 "error: no GPU found: %s\n  hint: run this on a machine with an NVIDIA driver\n",
                 found == cudaSuccess ? "no device" : cudaGetErrorString(found));
    return 1;
  }
  std::printf("{\"kind\":\"cuda\",\"driver\":%d,\"runtime\":%d,\"devices\":%d}\n", driver, runtime,
              count);
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties{};
    if (!PrintDevice(device, properties) || (!lists_only && !MeasureCopy(device, properties))) {
      return 1;
    }
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}

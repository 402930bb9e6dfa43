#include <algorithm>
#include <cmath>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "calibration/measure/arena.cuh"

namespace ridgeline::measure {
namespace {

/// Parts of the device's memory that each pool takes when it is first asked for: together 85 %.
constexpr std::array<double, 6> kParts = {0.22, 0.08, 0.20, 0.09, 0.05, 0.21};

__device__ uint64_t Mixed(uint64_t x) {  // splitmix64
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

__device__ float Normal(uint64_t bits) {
  const float u = (static_cast<float>(bits >> 40) + 0.5F) * (1.0F / 16777216.0F);
  const float v = static_cast<float>(bits & 0xFFFFFF) * (1.0F / 16777216.0F);
  return sqrtf(-2.0F * __logf(u)) * __cosf(6.2831853F * v);
}

template <class T>
__device__ T FromNormal(float x) {
  return static_cast<T>(x);
}
template <>
__device__ int8_t FromNormal<int8_t>(float x) {
  return static_cast<int8_t>(fminf(fmaxf(rintf(x * 32.0F), -127.0F), 127.0F));
}
/// As quantised by the largest magnitude: four standard deviations reach the format's end.
template <>
__device__ __nv_fp8_e4m3 FromNormal<__nv_fp8_e4m3>(float x) {
  return static_cast<__nv_fp8_e4m3>(x * 112.0F);
}

template <class T>
__global__ void FillNormal(T* out, size_t count, uint64_t seed) {
  const size_t stride = size_t{gridDim.x} * blockDim.x;
  for (size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) {
    out[i] = FromNormal<T>(Normal(Mixed(i + seed)));
  }
}

template <class T>
Status Fill(char* base, size_t bytes, uint64_t seed) {
  FillNormal<<<4096, 256>>>(reinterpret_cast<T*>(base), bytes / sizeof(T), seed);
  return Launched("fill with random data");
}

Status FillPool(Pool pool, char* base, size_t bytes) {
  switch (pool) {
    case Pool::kFp16:
      return Fill<__half>(base, bytes, 1);
    case Pool::kFp32:
      return Fill<float>(base, bytes, 2);
    case Pool::kFp8:
      return Fill<__nv_fp8_e4m3>(base, bytes, 3);
    case Pool::kInt8:
      return Fill<int8_t>(base, bytes, 4);
    case Pool::kBf16:
    case Pool::kResults:
      break;
  }
  return Fill<__nv_bfloat16>(base, bytes, 5);
}

__global__ void ReadAll(const uint4* from, size_t count, unsigned* never) {
  unsigned sum = 0;
  const size_t stride = size_t{gridDim.x} * blockDim.x;
  for (size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) {
    const uint4 value = from[i];
    sum ^= value.x ^ value.y ^ value.z ^ value.w;
  }
  if (sum == 0x13579BDFU) {  // keeps the reads
    *never = sum;
  }
}

}  // namespace

Result<Pool> PoolOf(const std::string& dtype) {
  if (dtype == "bf16") return Pool::kBf16;
  if (dtype == "fp16") return Pool::kFp16;
  if (dtype == "fp32" || dtype == "tf32") return Pool::kFp32;
  if (dtype == "fp8") return Pool::kFp8;
  if (dtype == "int8" || dtype == "int4") return Pool::kInt8;
  return Unimplemented("no operands of this data type here: " + dtype);
}

Result<double> ElementBytes(const std::string& dtype) {
  ASSIGN_OR_RETURN(const Pool pool, PoolOf(dtype));
  if (pool == Pool::kFp32) return 4.0;
  if (pool == Pool::kBf16 || pool == Pool::kFp16) return 2.0;
  return dtype == "int4" ? 0.5 : 1.0;
}

Arena::~Arena() {
  for (const Slab& slab : slabs_) {
    if (slab.base != nullptr) static_cast<void>(cudaFree(slab.base));
  }
  if (workspace_ != nullptr) static_cast<void>(cudaFree(workspace_));
  if (flush_ != nullptr) static_cast<void>(cudaFree(flush_));
}

Status Arena::Open(int device) {
  cudaDeviceProp properties = {};
  RETURN_IF_ERROR(Cuda(cudaGetDeviceProperties(&properties, device), "read the device"));
  total_bytes_ = static_cast<double>(properties.totalGlobalMem);
  l2_bytes_ = properties.l2CacheSize;
  multiprocessors_ = properties.multiProcessorCount;
  flush_bytes_ = 2 * static_cast<size_t>(properties.l2CacheSize);
  RETURN_IF_ERROR(Cuda(cudaMalloc(&workspace_, kWorkspaceBytes), "allocate the workspace"));
  RETURN_IF_ERROR(Cuda(cudaMalloc(&flush_, flush_bytes_), "allocate the flush buffer"));
  return Cuda(cudaMemset(flush_, 0x5a, flush_bytes_), "fill the flush buffer");
}

void Arena::Reset() {
  for (Slab& slab : slabs_) {
    slab.used = slab.held;
  }
}

void Arena::Hold(bool holds) {
  for (Slab& slab : slabs_) {
    slab.held = holds ? slab.used : 0;
  }
}

Result<char*> Arena::Take(Pool pool, double bytes) {
  Slab& slab = slabs_[static_cast<size_t>(pool)];
  if (slab.base == nullptr) {
    const double part = kParts[static_cast<size_t>(pool)] * total_bytes_;
    const size_t size = static_cast<size_t>(part) / 4096 * 4096;
    RETURN_IF_ERROR(Cuda(cudaMalloc(&slab.base, size), "allocate a pool of operands"));
    slab.size = size;
    RETURN_IF_ERROR(FillPool(pool, slab.base, size));
    RETURN_IF_ERROR(Cuda(cudaDeviceSynchronize(), "fill a pool of operands"));
  }
  const double rounded = std::ceil(bytes / 256) * 256;
  if (rounded > static_cast<double>(slab.size - slab.used)) {
    return Fail({.code = ErrorCode::kResourceExhausted,
                 .message = "out of memory: operands need " + std::to_string(rounded / 1e9) +
                            " GB more, the pool has " +
                            std::to_string(static_cast<double>(slab.size - slab.used) / 1e9)});
  }
  char* const given = slab.base + slab.used;
  slab.used += static_cast<size_t>(rounded);
  return given;
}

Result<OperandSets> Arena::TakeSets(const std::vector<Need>& needs, int64_t most_sets) {
  OperandSets operands;
  for (const Need& need : needs) {
    const double padded = std::ceil(need.bytes / 256) * 256;
    operands.strides.push_back(static_cast<size_t>(padded));
    operands.bytes_per_set += padded;
  }
  for (operands.sets = std::min(SetsFor(operands.bytes_per_set), most_sets);; operands.sets /= 2) {
    Reset();
    operands.bases.clear();
    Status taken;
    for (size_t i = 0; i < needs.size() && taken; ++i) {
      const Result<char*> base = Take(needs[i].pool, static_cast<double>(operands.strides[i]) *
                                                         static_cast<double>(operands.sets));
      if (base) {
        operands.bases.push_back(*base);
      } else {
        taken = Fail(base.error());
      }
    }
    if (taken) {
      return operands;
    }
    if (operands.sets == 1 || taken.error().code != ErrorCode::kResourceExhausted) {
      return Fail(taken.error());
    }
  }
}

int64_t Arena::SetsFor(double bytes) const {
  const double sets = std::ceil(2 * l2_bytes_ / std::max(bytes, 1.0)) + 1;
  return std::clamp<int64_t>(static_cast<int64_t>(std::min(sets, 1e6)), 2, kMostSets);
}

Status Arena::FlushL2(cudaStream_t stream) {
  ReadAll<<<4 * multiprocessors_, 512, 0, stream>>>(reinterpret_cast<const uint4*>(flush_),
                                                    flush_bytes_ / sizeof(uint4),
                                                    reinterpret_cast<unsigned*>(workspace_));
  return Launched("flush L2");
}

}  // namespace ridgeline::measure

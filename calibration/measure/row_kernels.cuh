/// Kernels that reduce over a row: normalisation, softmax, matrix-vector products.
#pragma once

#include "calibration/measure/hbm_kernels.cuh"

namespace ridgeline::measure {

struct Add {
  __device__ static float Of(float a, float b) { return a + b; }
};
struct Max {
  __device__ static float Of(float a, float b) { return fmaxf(a, b); }
};

/// Over the threads of one row (blockDim.x, a multiple of 32; one warp when rows share a block).
template <class Combine>
__device__ float OverRow(float x, float neutral) {
  __shared__ float shared[33];
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    x = Combine::Of(x, __shfl_xor_sync(0xFFFFFFFFU, x, offset));
  }
  if (blockDim.x == 32) {
    return x;
  }
  const unsigned warps = blockDim.x / 32;
  __syncthreads();  // the last reduction's result has been read
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = x;
  __syncthreads();
  if (threadIdx.x < 32) {
    float y = threadIdx.x < warps ? shared[threadIdx.x] : neutral;
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) {
      y = Combine::Of(y, __shfl_xor_sync(0xFFFFFFFFU, y, offset));
    }
    if (threadIdx.x == 0) shared[32] = y;
  }
  __syncthreads();
  return shared[32];
}

/// RMSNorm or (kCentred) LayerNorm of rows that stay in registers; with kResidual the sum of both
/// inputs is normalised and written too.
template <class T, int kPacks, bool kCentred, bool kResidual>
__global__ void Normalise(const Pack<T>* in, const Pack<T>* residual, const Pack<T>* weight,
                          Pack<T>* out, Pack<T>* sum_out, uint32_t rows, uint32_t width) {
  const uint32_t row = blockIdx.x * blockDim.y + threadIdx.y;
  if (row >= rows) {
    return;  // whole warps: blockDim.x is 32 where rows share a block
  }
  constexpr int kCount = Pack<T>::kCount;
  Pack<T> x[kPacks];
  Pack<T> r[kResidual ? kPacks : 1];
  const size_t base = size_t{row} * width;
#pragma unroll
  for (int j = 0; j < kPacks; ++j) {
    const uint32_t at = threadIdx.x + j * blockDim.x;
    if (at < width) {
      x[j] = in[base + at];
      if constexpr (kResidual) r[j] = residual[base + at];
    }
  }
  float sum = 0;
  float squares = 0;
#pragma unroll
  for (int j = 0; j < kPacks; ++j) {
    const uint32_t at = threadIdx.x + j * blockDim.x;
    if (at < width) {
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        float value = AsFloat(x[j].v[e]);
        if constexpr (kResidual) {
          value += AsFloat(r[j].v[e]);
          x[j].v[e] = As<T>(value);
        }
        sum += value;
        squares += value * value;
      }
      if constexpr (kResidual) sum_out[base + at] = x[j];
    }
  }
  const float count = static_cast<float>(width) * kCount;
  squares = OverRow<Add>(squares, 0) / count;
  float mean = 0;
  if constexpr (kCentred) {
    mean = OverRow<Add>(sum, 0) / count;
    squares -= mean * mean;
  }
  const float scale = rsqrtf(squares + 1e-5F);
#pragma unroll
  for (int j = 0; j < kPacks; ++j) {
    const uint32_t at = threadIdx.x + j * blockDim.x;
    if (at < width) {
      const Pack<T> w = weight[at];
      Pack<T> y;
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        y.v[e] = As<T>((AsFloat(x[j].v[e]) - mean) * scale * AsFloat(w.v[e]));
      }
      out[base + at] = y;
    }
  }
}

/// Softmax of a row, a block each. Rows of up to `cached` packs are kept in shared memory; longer
/// ones are read a second time.
template <class T, class Out>
__global__ void Softmax(const Pack<T>* in, Out* out, uint32_t width, uint32_t cached) {
  extern __shared__ uint4 kept_memory[];
  Pack<T>* const kept = reinterpret_cast<Pack<T>*>(kept_memory);
  constexpr int kCount = Pack<T>::kCount;
  const size_t base = size_t{blockIdx.x} * width;
  float greatest = -INFINITY;
  float sum = 0;
  for (uint32_t at = threadIdx.x; at < width; at += blockDim.x) {
    const Pack<T> x = in[base + at];
    if (at < cached) kept[at] = x;
    float here = AsFloat(x.v[0]);
#pragma unroll
    for (int e = 1; e < kCount; ++e) here = fmaxf(here, AsFloat(x.v[e]));
    if (here > greatest) {
      sum *= __expf(greatest - here);
      greatest = here;
    }
#pragma unroll
    for (int e = 0; e < kCount; ++e) sum += __expf(AsFloat(x.v[e]) - greatest);
  }
  const float top = OverRow<Max>(greatest, -INFINITY);
  const float all = OverRow<Add>(greatest == -INFINITY ? 0 : sum * __expf(greatest - top), 0);
  const float inverse = 1.0F / all;
  for (uint32_t at = threadIdx.x; at < width; at += blockDim.x) {
    const Pack<T> x = at < cached ? kept[at] : in[base + at];
    alignas(16) Out y[kCount];
#pragma unroll
    for (int e = 0; e < kCount; ++e) y[e] = As<Out>(__expf(AsFloat(x.v[e]) - top) * inverse);
    constexpr int kStores = kCount * static_cast<int>(sizeof(Out)) / 16;
    uint4* const to = reinterpret_cast<uint4*>(out + (base + at) * kCount);
#pragma unroll
    for (int s = 0; s < kStores; ++s) to[s] = reinterpret_cast<const uint4*>(y)[s];
  }
}

/// y[n] = sum over k of weight[n][k] * scale[n][k / 128] * x[k]; a warp an output. Weights are
/// signed integers of kBits bits, two's complement, 128 / kBits of them in a 16-byte load.
template <int kBits>
__global__ void DequantGemv(const uint4* weights, const __nv_bfloat16* scales,
                            const __nv_bfloat16* x, __nv_bfloat16* y, uint32_t n, uint32_t k) {
  constexpr uint32_t kEach = 128 / kBits;
  const uint32_t row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= n) {
    return;
  }
  const uint32_t loads = k / kEach;
  float sum = 0;
  for (uint32_t at = threadIdx.x % 32; at < loads; at += 32) {
    const uint4 packed = weights[size_t{row} * loads + at];
    const float scale = AsFloat(scales[size_t{row} * (k / 128) + at * kEach / 128]);
    const uint32_t words[4] = {packed.x, packed.y, packed.z, packed.w};
    float part = 0;
#pragma unroll
    for (uint32_t w = 0; w < 4; ++w) {
#pragma unroll
      for (uint32_t j = 0; j < 32 / kBits; j += 8 / (kBits == 8 ? 2 : 1)) {
        // As many activations as one load brings: 8 for int4, 4 for int8.
        constexpr uint32_t kStep = kBits == 8 ? 4 : 8;
        __nv_bfloat16 a[kStep];
        const __nv_bfloat16* from = x + size_t{at} * kEach + w * (32 / kBits) + j;
        if constexpr (kStep == 8) {
          *reinterpret_cast<uint4*>(a) = *reinterpret_cast<const uint4*>(from);
        } else {
          *reinterpret_cast<uint2*>(a) = *reinterpret_cast<const uint2*>(from);
        }
#pragma unroll
        for (uint32_t e = 0; e < kStep; ++e) {
          const int value =
              static_cast<int>(words[w] << (32 - kBits * (j + e + 1))) >> (32 - kBits);
          part += static_cast<float>(value) * AsFloat(a[e]);
        }
      }
    }
    sum += part * scale;
  }
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    sum += __shfl_xor_sync(0xFFFFFFFFU, sum, offset);
  }
  if (threadIdx.x % 32 == 0) y[row] = As<__nv_bfloat16>(sum);
}

}  // namespace ridgeline::measure

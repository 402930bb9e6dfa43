/// Kernels bound by memory, written as fused framework kernels are: 16-byte accesses, several loads
/// in flight before the first use, one pass over the tensor wherever it fits in registers or shared
/// memory, sums in fp32.
#pragma once

#include <cstdint>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

namespace ridgeline::measure {

/// Sixteen bytes of elements.
template <class T>
struct alignas(16) Pack {
  static constexpr int kCount = 16 / static_cast<int>(sizeof(T));
  T v[kCount];
};

__device__ inline float AsFloat(float x) { return x; }
__device__ inline float AsFloat(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline float AsFloat(__half x) { return __half2float(x); }
template <class T>
__device__ T As(float x) {
  return static_cast<T>(x);
}

/// Calls Load for kUnroll units and then Store for each: all loads are in flight together.
template <class F>
__global__ void __launch_bounds__(256) EachUnit(F f, uint32_t units) {
  constexpr int kUnroll = F::kUnroll;
  const uint32_t first = blockIdx.x * (256 * kUnroll) + threadIdx.x;
  typename F::Loaded loaded[kUnroll];
#pragma unroll
  for (int u = 0; u < kUnroll; ++u) {
    if (first + u * 256 < units) loaded[u] = f.Load(first + u * 256);
  }
#pragma unroll
  for (int u = 0; u < kUnroll; ++u) {
    if (first + u * 256 < units) f.Store(first + u * 256, loaded[u]);
  }
}

template <class T>
struct CopyUnits {
  static constexpr int kUnroll = 4;
  using Loaded = Pack<T>;
  const Pack<T>* in;
  Pack<T>* out;
  __device__ Loaded Load(uint32_t i) const { return in[i]; }
  __device__ void Store(uint32_t i, const Loaded& x) const { out[i] = x; }
};

template <class T>
struct AddUnits {
  static constexpr int kUnroll = 2;
  struct Loaded {
    Pack<T> a, b;
  };
  const Pack<T>* a;
  const Pack<T>* b;
  Pack<T>* out;
  __device__ Loaded Load(uint32_t i) const { return {a[i], b[i]}; }
  __device__ void Store(uint32_t i, const Loaded& x) const {
    Pack<T> sum;
#pragma unroll
    for (int j = 0; j < Pack<T>::kCount; ++j) {
      sum.v[j] = As<T>(AsFloat(x.a.v[j]) + AsFloat(x.b.v[j]));
    }
    out[i] = sum;
  }
};

/// The tanh form.
__device__ inline float Gelu(float x) {
  const float inner = 0.7978845608F * (x + 0.044715F * x * x * x);
  return x / (1.0F + __expf(-2.0F * inner));
}

template <class T>
struct GeluUnits {
  static constexpr int kUnroll = 4;
  using Loaded = Pack<T>;
  const Pack<T>* in;
  Pack<T>* out;
  __device__ Loaded Load(uint32_t i) const { return in[i]; }
  __device__ void Store(uint32_t i, const Loaded& x) const {
    Pack<T> y;
#pragma unroll
    for (int j = 0; j < Pack<T>::kCount; ++j) y.v[j] = As<T>(Gelu(AsFloat(x.v[j])));
    out[i] = y;
  }
};

/// in is [tokens, 2 * width]: gates, then values; out is [tokens, width].
template <class T>
struct SwiGluUnits {
  static constexpr int kUnroll = 2;
  struct Loaded {
    Pack<T> gate, value;
  };
  const Pack<T>* in;
  Pack<T>* out;
  uint32_t width;  // in packs
  __device__ Loaded Load(uint32_t i) const {
    const uint32_t row = i / width;
    const size_t at = size_t{row} * width + i;
    return {in[at], in[at + width]};
  }
  __device__ void Store(uint32_t i, const Loaded& x) const {
    Pack<T> y;
#pragma unroll
    for (int j = 0; j < Pack<T>::kCount; ++j) {
      const float gate = AsFloat(x.gate.v[j]);
      y.v[j] = As<T>(gate / (1.0F + __expf(-gate)) * AsFloat(x.value.v[j]));
    }
    out[i] = y;
  }
};

/// Turns pairs (x[j], x[j + head_dim / 2]) by the position's angles; a unit is a pack of first
/// halves with its pack of second halves. The table is [position][head_dim / 2] of (cos, sin).
template <class T>
struct RotaryUnits {
  static constexpr int kUnroll = 2;
  struct Loaded {
    Pack<T> low, high;
  };
  const Pack<T>* in;
  Pack<T>* out;
  const float2* table;
  uint32_t half;       // packs in half a head
  uint32_t heads;      // of queries and keys together
  uint32_t positions;  // rows of the table
  __device__ size_t At(uint32_t i) const { return size_t{i / half} * 2 * half + i % half; }
  __device__ Loaded Load(uint32_t i) const { return {in[At(i)], in[At(i) + half]}; }
  __device__ void Store(uint32_t i, const Loaded& x) const {
    const uint32_t token = i / half / heads % positions;
    const float2* angles = table + (size_t{token} * half + i % half) * Pack<T>::kCount;
    Loaded y;
#pragma unroll
    for (int j = 0; j < Pack<T>::kCount; ++j) {
      const float2 angle = angles[j];
      const float a = AsFloat(x.low.v[j]);
      const float b = AsFloat(x.high.v[j]);
      y.low.v[j] = As<T>(a * angle.x - b * angle.y);
      y.high.v[j] = As<T>(b * angle.x + a * angle.y);
    }
    out[At(i)] = y.low;
    out[At(i) + half] = y.high;
  }
};

template <class T>
struct EmbeddingUnits {
  static constexpr int kUnroll = 4;
  using Loaded = Pack<T>;
  const Pack<T>* table;
  const int* tokens;
  Pack<T>* out;
  uint32_t width;  // packs in a row
  __device__ Loaded Load(uint32_t i) const {
    return table[static_cast<size_t>(tokens[i / width]) * width + i % width];
  }
  __device__ void Store(uint32_t i, const Loaded& x) const { out[i] = x; }
};

/// A unit is sixteen elements, so that each side moves whole packs whatever its width.
template <class From, class To>
struct CastUnits {
  static constexpr int kUnroll = sizeof(From) + sizeof(To) > 4 ? 1 : 2;
  static constexpr int kIn = 16 / Pack<From>::kCount;
  static constexpr int kOut = 16 / Pack<To>::kCount;
  struct Loaded {
    Pack<From> p[kIn];
  };
  const Pack<From>* in;
  Pack<To>* out;
  float scale;
  __device__ Loaded Load(uint32_t i) const {
    Loaded x;
#pragma unroll
    for (int j = 0; j < kIn; ++j) x.p[j] = in[size_t{i} * kIn + j];
    return x;
  }
  __device__ void Store(uint32_t i, const Loaded& x) const {
#pragma unroll
    for (int j = 0; j < kOut; ++j) {
      Pack<To> y;
#pragma unroll
      for (int e = 0; e < Pack<To>::kCount; ++e) {
        const int at = j * Pack<To>::kCount + e;
        y.v[e] = As<To>(scale * AsFloat(x.p[at / Pack<From>::kCount].v[at % Pack<From>::kCount]));
      }
      out[size_t{i} * kOut + j] = y;
    }
  }
};

/// Adam with decoupled weight decay; a unit is eight parameters. The states are read and written in
/// place; the weights that the model computes with are written beside the master copy.
template <class Gradient, class Weight>
struct AdamUnits {
  static constexpr int kUnroll = 1;
  static constexpr int kEach = 8;
  static constexpr int kGradients = kEach / Pack<Gradient>::kCount;
  static constexpr int kWeights = kEach / Pack<Weight>::kCount;
  struct Loaded {
    Pack<Gradient> g[kGradients];
    Pack<float> p[2], m[2], v[2];
  };
  const Pack<Gradient>* gradients;
  Pack<float>* master;
  Pack<float>* first;
  Pack<float>* second;
  Pack<Weight>* weights;  // null where the master copy is what the model computes with
  __device__ Loaded Load(uint32_t i) const {
    Loaded x;
#pragma unroll
    for (int j = 0; j < kGradients; ++j) x.g[j] = gradients[size_t{i} * kGradients + j];
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      x.p[j] = master[size_t{i} * 2 + j];
      x.m[j] = first[size_t{i} * 2 + j];
      x.v[j] = second[size_t{i} * 2 + j];
    }
    return x;
  }
  __device__ void Store(uint32_t i, Loaded x) const {
    Pack<Weight> w[kWeights];
#pragma unroll
    for (int e = 0; e < kEach; ++e) {
      const float g = AsFloat(x.g[e / Pack<Gradient>::kCount].v[e % Pack<Gradient>::kCount]);
      float& p = x.p[e / 4].v[e % 4];
      float& m = x.m[e / 4].v[e % 4];
      float& v = x.v[e / 4].v[e % 4];
      m = 0.9F * m + 0.1F * g;
      v = 0.95F * v + 0.05F * g * g;
      p -= 3e-4F * (m / (sqrtf(fabsf(v)) + 1e-8F) + 0.1F * p);
      w[e / Pack<Weight>::kCount].v[e % Pack<Weight>::kCount] = As<Weight>(p);
    }
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      master[size_t{i} * 2 + j] = x.p[j];
      first[size_t{i} * 2 + j] = x.m[j];
      second[size_t{i} * 2 + j] = x.v[j];
    }
    if (weights != nullptr) {
#pragma unroll
      for (int j = 0; j < kWeights; ++j) weights[size_t{i} * kWeights + j] = w[j];
    }
  }
};

}  // namespace ridgeline::measure

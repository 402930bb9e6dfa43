/// What can be measured: a maker a family, from the fields of a `cost` line to a Workload. A maker
/// takes its operands from the arena and says kUnimplemented or kResourceExhausted where the point
/// must be skipped. Which sizes mean what stands in sim/compute's operation lines.
#pragma once

#include "calibration/measure/timer.cuh"

namespace ridgeline::measure {

struct MakerContext {
  Arena* arena = nullptr;
  int device = 0;
  cudaStream_t stream = nullptr;
};

Result<Workload> MakeGemm(const Point& point, const MakerContext& context);
Result<Workload> MakeGroupedGemm(const Point& point, const MakerContext& context);
/// rmsnorm, layernorm, rotary, swiglu, gelu, residual_add, softmax, cross_entropy, embedding, adam,
/// cast, quantise, copy, dequant_gemv.
Result<Workload> MakeMemoryBound(const Point& point, const MakerContext& context);
/// Decode over a paged KV cache with kernels of our own.
Result<Workload> MakeDecodeAttention(const Point& point, const MakerContext& context);
/// host_to_device, device_to_host, peer_copy.
Result<Workload> MakeTransfer(const Point& point, const MakerContext& context);
/// An empty kernel.
Result<Workload> MakeLaunch(const Point& point, const MakerContext& context);

/// By the name of the operation. kUnimplemented for names that this program cannot measure alone.
Result<Workload> MakeWorkload(const Point& point, const MakerContext& context);

}  // namespace ridgeline::measure

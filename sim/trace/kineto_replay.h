/// A PyTorch profiler's trace (Kineto's JSON) in, and the same kernels on another GPU.
///
/// Kernels are the complete events of category kernel, gpu_memcpy and gpu_memset; the operator that
/// launched one has its "External id", and with record_shapes=True its "Input Dims" and "Input
/// type" (pytorch/kineto, libkineto/src/output_json.cpp). What they are:
///
///     matrix product   launched by aten::mm, addmm, bmm or baddbmm with dimensions: m, n, k known
///     attention        by aten::_flash_attention_*, _scaled_dot_product_*, _cudnn_attention_*
///     unnamed product  a kernel called gemm, nvjet, cutlass or xmma without them
///     collective       a kernel of NCCL
///     copy             to or from the host
///     memory-bound     all else
///
/// On another GPU the first two take the ratio of what the cost model says of that operation on
/// either; an unnamed product that of the peaks, a copy that of the host links, and the rest that
/// of the memory's bandwidths. A collective keeps its time: the trace does not describe its
/// network. Gaps stay as they are: each kernel begins as long after the end of the kernel that
/// ended last before it, on any stream, as it did, and not before its own stream is free.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/operation.h"
#include "base/result.h"
#include "sim/compute/operation_time.h"
#include "sim/engine/sim_time.h"

namespace ridgeline::trace {

enum class KernelKind { kGemm, kAttention, kUnnamedGemm, kCollective, kHostCopy, kMemoryBound };
inline constexpr size_t kNumKernelKinds = 6;
/// "matrix products", "attention", "matrix products without shapes" ...
std::string_view KernelKindTitle(KernelKind kind);

struct ProfiledKernel {
  std::string name;
  int64_t device = 0;
  int64_t stream = 0;
  engine::Picoseconds begin = 0;  // since the first kernel's begin
  engine::Picoseconds duration = 0;
  KernelKind kind = KernelKind::kMemoryBound;
  std::optional<Operation> operation = std::nullopt;  // of kGemm and kAttention
};

/// By begin. Errors: kInvalidArgument for what is no JSON, has no traceEvents or no kernels.
Result<std::vector<ProfiledKernel>> ReadKineto(std::string_view json, std::string_view name);

struct KernelReplay {
  struct OfKind {
    int64_t kernels = 0;
    engine::Picoseconds recorded = 0;
    engine::Picoseconds replayed = 0;
  };
  std::array<OfKind, kNumKernelKinds> kinds = {};
  engine::Picoseconds recorded = 0;  // from the first begin to the last end
  engine::Picoseconds replayed = 0;
  /// Of the kernels' time: with a shape that the cost model priced.
  double recognised = 0.0;
};

/// `from` and `to` price the GPU of the trace and the other one.
KernelReplay ReplayKernels(const std::vector<ProfiledKernel>& kernels,
                           const compute::OperationTime& from, const compute::OperationTime& to);

}  // namespace ridgeline::trace

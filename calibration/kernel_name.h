/// What the name of a CUDA kernel tells of the operation that it is part of. Names are the
/// libraries' own and promise nothing, so each answer is optional: what a name does not tell is
/// asked for, not guessed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/dtype.h"
#include "base/operation.h"

namespace ridgeline::calibration {

/// Type of the operands: "sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_...", "nvjet_tst_..." (t: bf16,
/// h: fp16, qq: fp8), "flash_fwd_kernel<...cutlass::half_t...>".
std::optional<DType> OperandTypeIn(std::string_view kernel);

/// "TN" of a GEMM, in BLAS's sense (column-major: T, the weights of a linear layer as frameworks
/// keep them). Empty when the name does not tell.
std::string LayoutIn(std::string_view kernel);

/// Whether a FlashAttention-2 kernel masks later tokens: a template argument of it.
std::optional<bool> CausalIn(std::string_view kernel);

/// "ncclDevKernel_AllReduce_Sum_bf16_RING_LL". Of a kernel of NCCL's that is no single collective
/// (sends and receives, generic) none.
bool IsNcclKernel(std::string_view kernel);
std::optional<CollectiveKind> CollectiveIn(std::string_view kernel);

}  // namespace ridgeline::calibration

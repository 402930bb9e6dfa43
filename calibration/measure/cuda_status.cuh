/// Return codes of CUDA, cuBLAS and NCCL as Status: nothing that these libraries say goes unread.
#pragma once

#include <string>

#include <cublasLt.h>
#include <cuda_runtime.h>

#include "base/result.h"

namespace ridgeline::measure {

/// Out of memory is kResourceExhausted (the point is skipped), all else kInternal.
inline Status Cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) {
    return {};
  }
  const bool is_memory = status == cudaErrorMemoryAllocation;
  if (is_memory) {
    static_cast<void>(cudaGetLastError());  // not sticky: the next point may fit
  }
  return Fail({.code = is_memory ? ErrorCode::kResourceExhausted : ErrorCode::kInternal,
               .message = std::string(what) + ": " + cudaGetErrorString(status) + " (" +
                          cudaGetErrorName(status) + ")"});
}

/// "Not supported" is kUnimplemented: the library has no kernel for this shape, so skip it.
inline Status Cublas(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) {
    return {};
  }
  const bool is_unsupported =
      status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE;
  return Fail({.code = is_unsupported ? ErrorCode::kUnimplemented : ErrorCode::kInternal,
               .message = std::string(what) + ": " + cublasLtGetStatusString(status)});
}

/// Of the launch that has just been made.
inline Status Launched(const char* what) { return Cuda(cudaGetLastError(), what); }

}  // namespace ridgeline::measure

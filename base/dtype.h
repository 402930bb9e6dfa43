/// Element types of tensors, by the names the field uses.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/units.h"

namespace ridgeline {

enum class DType { kFp64, kFp32, kTf32, kFp16, kBf16, kFp8, kInt8, kFp4, kInt4 };

/// Bytes one element takes in memory. tf32 is a compute format that is stored as fp32. 4-bit
/// formats take half a byte (scales are counted by whoever models the scheme).
constexpr Bytes BytesPerElement(DType dtype) {
  switch (dtype) {
    case DType::kFp64:
      return Bytes::FromBase(8);
    case DType::kFp32:
    case DType::kTf32:
      return Bytes::FromBase(4);
    case DType::kFp16:
    case DType::kBf16:
      return Bytes::FromBase(2);
    case DType::kFp8:
    case DType::kInt8:
      return Bytes::FromBase(1);
    case DType::kFp4:
    case DType::kInt4:
      return Bytes::FromBase(0.5);
  }
  return Bytes::FromBase(0);
}

/// "bf16". The inverse is ParseDType; all names in order: DTypeNames().
std::string_view DTypeName(DType dtype);
std::optional<DType> ParseDType(std::string_view name);
std::span<const std::string_view> DTypeNames();

}  // namespace ridgeline

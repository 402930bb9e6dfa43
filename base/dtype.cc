#include "base/dtype.h"

#include <array>
#include <cstddef>

namespace ridgeline {
namespace {
constexpr std::array<std::string_view, 9> kNames = {"fp64", "fp32", "tf32", "fp16", "bf16",
                                                    "fp8",  "int8", "fp4",  "int4"};
}  // namespace

std::string_view DTypeName(DType dtype) { return kNames[static_cast<size_t>(dtype)]; }

std::optional<DType> ParseDType(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) {
      return static_cast<DType>(i);
    }
  }
  return std::nullopt;
}

std::span<const std::string_view> DTypeNames() { return kNames; }

}  // namespace ridgeline

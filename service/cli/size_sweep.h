/// `--sizes FROM-TO*FACTOR` of `cost`: the buffers that nccl-tests runs with -b FROM -e TO -f
/// FACTOR.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ridgeline::cli {

/// Sizes in bytes from FROM while not above TO, each FACTOR times the last; K, M and G are powers
/// of 1024, as nccl-tests reads them. One size alone is that size. Errors: what is no size, from
/// zero, a factor below 2, backwards.
Result<std::vector<int64_t>> ReadSizeSweep(std::string_view text);

/// A line of JSON with `"bytes":SIZE` added as its last key: places of its own keys stay.
std::string WithBytes(std::string_view line, int64_t size);

}  // namespace ridgeline::cli

/// Names with ranges of numbers: "leaf[0-3]" is leaf0, leaf1, leaf2, leaf3.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ridgeline::hardware {

/// All names that a pattern stands for, in order, the last range running fastest.
/// Errors: a bracket that is none, a range that runs backwards, more than a million names.
Result<std::vector<std::string>> ExpandNames(std::string_view pattern);

/// "node[0-15].nic[*]" as numbers. Errors as above, and numbers not below `nodes` and `nics`.
struct PortName {
  int64_t node = 0;
  int64_t nic = 0;
};
bool IsPortPattern(std::string_view pattern);
Result<std::vector<PortName>> ExpandPorts(std::string_view pattern, int64_t nodes, int64_t nics);

}  // namespace ridgeline::hardware

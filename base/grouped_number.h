/// Counts for people: thousands apart.
#pragma once

#include <cstdint>
#include <string>

namespace ridgeline {

/// "12,345", "-1,000".
std::string Grouped(int64_t value);

}  // namespace ridgeline

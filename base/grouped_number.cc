#include "base/grouped_number.h"

#include <cstddef>

namespace ridgeline {

std::string Grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
    if (digits[static_cast<size_t>(at) - 1] != '-') {
      digits.insert(static_cast<size_t>(at), ",");
    }
  }
  return digits;
}

}  // namespace ridgeline

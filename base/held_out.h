/// Which half of what was measured is held out: the one rule, wherever a digest names a thing.
#pragma once

#include <string_view>

namespace ridgeline {

/// True when the last hexadecimal digit is odd: about half of all digests, the same half on every
/// machine and for ever, and nobody chooses which. `digest` is not empty.
constexpr bool IsHeldOutDigest(std::string_view digest) {
  const char last = digest.back();
  const int digit = last <= '9' ? last - '0' : last - 'a' + 10;
  return digit % 2 == 1;
}

}  // namespace ridgeline

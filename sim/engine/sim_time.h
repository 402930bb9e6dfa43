/// An instant on the simulated clock, and spans of it: whole picoseconds in an int64 (about 106
/// days). Integers make equal instants equal, sums exact and runs reproducible at any order of
/// summation. A duration becomes picoseconds once, when it is costed.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "base/check.h"
#include "base/units.h"

namespace ridgeline::engine {

using Picoseconds = int64_t;

/// Rounds to the nearest picosecond; a span that a user's figures make absurd becomes as long as
/// the clock can count, never longer. Whoever uses it checks sums before running (training:
/// FitsClock).
inline Picoseconds ToPicosecondsSaturating(Seconds span) {
  const double picoseconds = span.base() * 1e12;
  CHECK(picoseconds >= 0, "span of {} s", span.base());
  return picoseconds < 9.2e18 ? std::llround(picoseconds) : std::numeric_limits<Picoseconds>::max();
}

/// Sum that stops at the longest span.
inline Picoseconds AddSaturating(Picoseconds a, Picoseconds b) {
  Picoseconds sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<Picoseconds>::max() : sum;
}

/// Sum that refuses to wrap.
inline Picoseconds AddChecked(Picoseconds a, Picoseconds b) {
  Picoseconds sum = 0;
  CHECK(!__builtin_add_overflow(a, b, &sum), "{} ps + {} ps", a, b);
  return sum;
}

inline Seconds ToSeconds(Picoseconds span) {
  return Seconds::FromBase(static_cast<double>(span) * 1e-12);
}

}  // namespace ridgeline::engine

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

inline constexpr Picoseconds kPicosecondsPerSecond = 1'000'000'000'000;

/// Rounds to the nearest picosecond. A negative or too long span is a bug of the caller.
inline Picoseconds ToPicoseconds(Seconds span) {
  const double picoseconds = span.base() * 1e12;
  CHECK(picoseconds >= 0 && picoseconds < 9.2e18, "span of {} s", span.base());
  return std::llround(picoseconds);
}

inline Seconds ToSeconds(Picoseconds span) {
  return Seconds::FromBase(static_cast<double>(span) * 1e-12);
}

/// The same for spans that a user's figures may make absurd: as long as the clock can count, never
/// longer. Whoever uses it checks sums before running (training: FitsClock).
inline Picoseconds ToPicosecondsSaturating(Seconds span) {
  const double picoseconds = span.base() * 1e12;
  CHECK(picoseconds >= 0, "span of {} s", span.base());
  return picoseconds < 9.2e18 ? std::llround(picoseconds) : std::numeric_limits<Picoseconds>::max();
}
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

}  // namespace ridgeline::engine

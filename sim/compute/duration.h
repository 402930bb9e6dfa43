/// A cost in whole picoseconds, at its expectation and at both ends of its range.
#pragma once

#include <array>

#include "base/evidence.h"
#include "sim/engine/sim_time.h"

namespace ridgeline::compute {

/// The expectation and the ends of the range of a duration.
enum class Bound { kMean, kLow, kHigh };
inline constexpr std::array<Bound, 3> kBounds = {Bound::kMean, Bound::kLow, Bound::kHigh};

struct Duration {
  std::array<engine::Picoseconds, 3> at = {};
  engine::Picoseconds operator[](Bound bound) const { return at[static_cast<size_t>(bound)]; }
  engine::Picoseconds& operator[](Bound bound) { return at[static_cast<size_t>(bound)]; }
  Duration& operator+=(const Duration& other) {
    for (size_t i = 0; i < at.size(); ++i) {
      at[i] = engine::AddSaturating(at[i], other.at[i]);
    }
    return *this;
  }
  static Duration Of(const Cost& cost) {
    return {{engine::ToPicosecondsSaturating(cost.mean), engine::ToPicosecondsSaturating(cost.low),
             engine::ToPicosecondsSaturating(cost.high)}};
  }
};

}  // namespace ridgeline::compute

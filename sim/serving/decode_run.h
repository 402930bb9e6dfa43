/// Consecutive steps whose times grow by a constant: a batch that only decodes reads one more token
/// a sequence each step. Closed forms, exact in integers.
#pragma once

#include <cstdint>
#include <optional>

#include "sim/engine/sim_time.h"

namespace ridgeline::serving {

__extension__ using Int128 = __int128;

struct DecodeRun {
  engine::Picoseconds first = 0;   // of the first step
  engine::Picoseconds growth = 0;  // of each step over the one before
  int64_t steps = 0;

  /// Of the first `steps` steps: first x steps + growth x (0 + 1 + ... + steps - 1).
  Int128 Duration(int64_t some_steps) const {
    return Int128{first} * some_steps + Int128{growth} * some_steps * (some_steps - 1) / 2;
  }
  Int128 Duration() const { return Duration(steps); }

  /// How many steps begin before `span` > 0 has passed: at least 1, at most `steps`. O(log steps).
  int64_t StepsBegunBefore(engine::Picoseconds span) const {
    int64_t least = 1;
    int64_t most = steps;
    while (least < most) {
      const int64_t middle = least + (most - least) / 2;
      if (Duration(middle) >= span) {
        most = middle;
      } else {
        least = middle + 1;
      }
    }
    return least;
  }
};

}  // namespace ridgeline::serving

/// The earliest of many times, each of which may change at any moment: a winner tree. Set costs
/// O(log n), less when the winner near by stays; the earliest is known at once. Among equals the
/// lowest index wins.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <limits>
#include <vector>

#include "sim/engine/sim_time.h"

namespace ridgeline::engine {

class Earliest {
 public:
  static constexpr Picoseconds kNever = std::numeric_limits<Picoseconds>::max();

  Picoseconds time() const { return times_[1]; }
  Picoseconds time(size_t index) const { return times_[num_leaves_ + index]; }

  /// The index whose time is the earliest.
  size_t index() const {
    size_t node = 1;
    while (node < num_leaves_) {
      node = 2 * node + (times_[2 * node] == times_[node] ? 0 : 1);
    }
    return node - num_leaves_;
  }

  /// Grows as needed; whatever was never set is kNever.
  void Set(size_t index, Picoseconds time) {
    if (index >= num_leaves_) {
      Grow(index + 1);
    }
    size_t node = num_leaves_ + index;
    times_[node] = time;
    for (node /= 2; node >= 1; node /= 2) {
      const Picoseconds earlier = std::min(times_[2 * node], times_[2 * node + 1]);
      if (times_[node] == earlier) {
        break;
      }
      times_[node] = earlier;
    }
  }

 private:
  void Grow(size_t size) {
    const size_t num_leaves = std::bit_ceil(size);
    std::vector<Picoseconds> times(2 * num_leaves, kNever);
    std::copy(times_.begin() + static_cast<std::ptrdiff_t>(num_leaves_), times_.end(),
              times.begin() + static_cast<std::ptrdiff_t>(num_leaves));
    for (size_t node = num_leaves - 1; node >= 1; --node) {
      times[node] = std::min(times[2 * node], times[2 * node + 1]);
    }
    times_ = std::move(times);
    num_leaves_ = num_leaves;
  }

  size_t num_leaves_ = 1;
  std::vector<Picoseconds> times_ = {kNever, kNever};  // of node i: the earlier of 2i and 2i + 1
};

}  // namespace ridgeline::engine

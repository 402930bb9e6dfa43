/// The earliest of many times, each of which may change at any moment: a 4-ary heap that knows
/// where each index stands. Set costs O(log n) of those that have a time, and little when the order
/// stays; the earliest is known at once. Among equals the lowest index comes first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "sim/engine/sim_time.h"

namespace ridgeline::engine {

class Earliest {
 public:
  static constexpr Picoseconds kNever = std::numeric_limits<Picoseconds>::max();

  /// kNever when nothing is to come; then there is no index.
  Picoseconds time() const { return heap_.empty() ? kNever : heap_.front().time; }
  size_t index() const { return heap_.front().index; }

  /// kNever takes the index out. Whatever was never set is kNever.
  void Set(size_t index, Picoseconds time) {
    if (index >= place_.size()) {
      place_.resize(index + 1, kNowhere);
    }
    uint32_t place = place_[index];
    if (time == kNever) {
      if (place != kNowhere) {
        TakeOut(index, place);
      }
      return;
    }
    if (place == kNowhere) {
      place = static_cast<uint32_t>(heap_.size());
      heap_.emplace_back();
    }
    Put({.time = time, .index = static_cast<uint32_t>(index)}, place);
  }

 private:
  static constexpr uint32_t kNowhere = std::numeric_limits<uint32_t>::max();

  struct Entry {
    Picoseconds time = 0;
    uint32_t index = 0;

    bool IsBefore(const Entry& other) const {
      return time < other.time || (time == other.time && index < other.index);
    }
  };

  void Place(const Entry& entry, uint32_t place) {
    heap_[place] = entry;
    place_[entry.index] = place;
  }

  // Fills the hole at `place`, or another to which it has to move.
  void Put(const Entry& entry, uint32_t place) {
    for (uint32_t parent = 0; place > 0; place = parent) {
      parent = (place - 1) / 4;
      if (!entry.IsBefore(heap_[parent])) {
        break;
      }
      Place(heap_[parent], place);
    }
    const auto size = static_cast<uint32_t>(heap_.size());
    while (4 * place + 1 < size) {
      const uint32_t first = 4 * place + 1;
      uint32_t best = first;
      for (uint32_t child = first + 1; child < first + 4 && child < size; ++child) {
        best = heap_[child].IsBefore(heap_[best]) ? child : best;
      }
      if (!heap_[best].IsBefore(entry)) {
        break;
      }
      Place(heap_[best], place);
      place = best;
    }
    Place(entry, place);
  }

  void TakeOut(size_t index, uint32_t place) {
    place_[index] = kNowhere;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (place < heap_.size()) {
      Put(last, place);
    }
  }

  std::vector<Entry> heap_;
  std::vector<uint32_t> place_;  // by index
};

}  // namespace ridgeline::engine

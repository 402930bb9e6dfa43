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
  Picoseconds time() const { return heap_.empty() ? kNever : TimeOf(heap_.front()); }
  size_t index() const { return IndexOf(heap_.front()); }

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
    Put((Entry{static_cast<uint64_t>(time)} << 64) | static_cast<uint32_t>(index), place);
  }

 private:
  static constexpr uint32_t kNowhere = std::numeric_limits<uint32_t>::max();

  // Time, then index, compared as one number.
  __extension__ typedef unsigned __int128 Entry;
  static Picoseconds TimeOf(Entry entry) {
    return static_cast<Picoseconds>(static_cast<uint64_t>(entry >> 64));
  }
  static size_t IndexOf(Entry entry) { return static_cast<uint32_t>(entry); }

  void Place(Entry entry, uint32_t place) {
    heap_[place] = entry;
    place_[IndexOf(entry)] = place;
  }

  uint32_t Earlier(uint32_t a, uint32_t b) const { return heap_[b] < heap_[a] ? b : a; }

  // Fills the hole at `place`, or another to which it has to move.
  void Put(Entry entry, uint32_t place) {
    for (uint32_t parent = 0; place > 0; place = parent) {
      parent = (place - 1) / 4;
      if (!(entry < heap_[parent])) {
        break;
      }
      Place(heap_[parent], place);
    }
    const auto size = static_cast<uint32_t>(heap_.size());
    while (4 * place + 1 < size) {
      const uint32_t first = 4 * place + 1;
      uint32_t best = first;
      if (first + 3 < size) {
        best = Earlier(Earlier(first, first + 1), Earlier(first + 2, first + 3));
      } else {
        for (uint32_t child = first + 1; child < size; ++child) {
          best = Earlier(best, child);
        }
      }
      if (!(heap_[best] < entry)) {
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

/// Pending events in the order (time, priority, sequence): at one instant the lower priority number
/// runs first, and among equals the one that was scheduled first. Nothing is left to chance.
///
/// An event is named by a slot, a small number that its owner chooses (a stream, a request): one
/// pending event a slot, and the slot is the handle to cancel or move it. Cancelling is lazy: the
/// dead entry is dropped when it comes to the front, or when more than half are dead.
///
/// A 4-ary heap of 16-byte keys in which the four children of a node share a cache line. Schedule
/// and Pop cost O(log n); an event that is scheduled right after a Pop takes the place left at the
/// root, so that the usual pop-and-reschedule sifts once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <vector>

#include "base/check.h"
#include "sim/engine/sim_time.h"

namespace ridgeline::engine {

struct Event {
  Picoseconds time = 0;
  uint32_t priority = 0;
  uint32_t slot = 0;
};

class EventQueue {
 public:
  static constexpr size_t kMaxSlots = size_t{1} << 24;
  static constexpr uint32_t kNumPriorities = 16;
  static constexpr uint64_t kMaxSequence = uint64_t{1} << 36;  // 69 billion events a run

  explicit EventQueue(size_t num_slots = 0) { Reset(num_slots); }

  /// Forgets everything, the clock too; keeps the memory.
  void Reset(size_t num_slots) {
    CHECK(num_slots <= kMaxSlots, "{} slots", num_slots);
    live_.assign(num_slots, 0);
    keys_.assign(kRoot + 4, kNoKey);
    size_ = num_dead_ = 0;
    sequence_ = 0;
    now_ = 0;
    has_hole_ = false;
  }

  size_t size() const { return size_ - (has_hole_ ? 1 : 0) - num_dead_; }
  bool empty() const { return size() == 0; }
  bool IsPending(uint32_t slot) const { return live_[slot] != 0; }
  /// The time of the event that was popped last: the simulated clock. It never goes back.
  Picoseconds now() const { return now_; }

  /// Schedules the event of `slot`, in place of the one pending if there is one. `time` may be now,
  /// never before.
  void Schedule(uint32_t slot, Picoseconds time, uint32_t priority = 0) {
    CHECK(time >= now_, "an event at {} ps, the clock is at {} ps", time, now_);
    CHECK(slot < live_.size() && priority < kNumPriorities, "slot {} of {}, priority {}", slot,
          live_.size(), priority);
    CHECK(++sequence_ < kMaxSequence, "{} events", sequence_);
    if (live_[slot] != 0) {
      Cancel(slot);
    }
    const uint64_t tail = (uint64_t{priority} << 60) | (sequence_ << 24) | slot;
    live_[slot] = tail;
    const Key key = (Key{static_cast<uint64_t>(time)} << 64) | tail;
    if (has_hole_) {
      has_hole_ = false;
      SiftDown(key);
    } else {
      SiftUp(key);
    }
  }

  /// False when nothing was pending there.
  bool Cancel(uint32_t slot) {
    if (live_[slot] == 0) {
      return false;
    }
    live_[slot] = 0;
    ++num_dead_;
    if (num_dead_ > 64 && num_dead_ > size_ / 2) {
      DropDead();
    }
    return true;
  }

  /// When the next event is due. The queue must not be empty.
  Picoseconds NextTime() {
    Settle();
    return TimeOf(keys_[kRoot]);
  }

  /// Takes the next event and moves the clock to it. The queue must not be empty.
  Event Pop() {
    Settle();
    const Key key = keys_[kRoot];
    const auto tail = static_cast<uint64_t>(key);
    const auto slot = static_cast<uint32_t>(tail & (kMaxSlots - 1));
    live_[slot] = 0;
    has_hole_ = true;
    now_ = TimeOf(key);
    return {.time = now_, .priority = static_cast<uint32_t>(tail >> 60), .slot = slot};
  }

 private:
  // (time, priority, sequence, slot), compared as one number. The sequence makes each key unique,
  // and tells a slot's pending event from one that was cancelled.
  __extension__ typedef unsigned __int128 Key;
  static constexpr Key kNoKey = ~Key{0};
  // The root stands at 3, so that the children of a node begin at a multiple of four: one cache
  // line. Four keys of kNoKey always follow the last: a node with fewer children needs no care.
  static constexpr size_t kRoot = 3;
  static constexpr size_t FirstChild(size_t i) { return 4 * (i - 2); }
  static constexpr size_t Parent(size_t i) { return i / 4 + 2; }

  template <class T>
  struct CacheLineAllocator {
    using value_type = T;
    CacheLineAllocator() = default;
    template <class U>
    explicit CacheLineAllocator(const CacheLineAllocator<U>&) {}
    T* allocate(size_t n) {
      return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{64}));
    }
    void deallocate(T* p, size_t) { ::operator delete(p, std::align_val_t{64}); }
    friend bool operator==(const CacheLineAllocator&, const CacheLineAllocator&) { return true; }
  };

  static Picoseconds TimeOf(Key key) {
    return static_cast<Picoseconds>(static_cast<uint64_t>(key >> 64));
  }
  bool IsDead(Key key) const {
    const auto tail = static_cast<uint64_t>(key);
    return live_[tail & (kMaxSlots - 1)] != tail;
  }

  void SiftUp(Key key) {
    size_t i = kRoot + size_;
    ++size_;
    if (keys_.size() < kRoot + size_ + 4) {
      keys_.resize(2 * keys_.size(), kNoKey);
    }
    while (i > kRoot) {
      const size_t parent = Parent(i);
      if (keys_[parent] < key) {
        break;
      }
      keys_[i] = keys_[parent];
      i = parent;
    }
    keys_[i] = key;
  }

  // Puts `key` where the root was taken from.
  void SiftDown(Key key) {
    Key* const keys = keys_.data();
    const size_t end = kRoot + size_;
    size_t i = kRoot;
    for (size_t child = FirstChild(i); child < end; child = FirstChild(i)) {
      const size_t low = keys[child + 1] < keys[child] ? child + 1 : child;
      const size_t high = keys[child + 3] < keys[child + 2] ? child + 3 : child + 2;
      const size_t best = keys[high] < keys[low] ? high : low;
      if (key < keys[best]) {
        break;
      }
      keys[i] = keys[best];
      i = best;
    }
    keys[i] = key;
  }

  void FillHole() {
    has_hole_ = false;
    --size_;
    const Key last = keys_[kRoot + size_];
    keys_[kRoot + size_] = kNoKey;
    if (size_ > 0) {
      SiftDown(last);
    }
  }

  // Brings a live event to the root.
  void Settle() {
    CHECK(!empty(), "no event is pending");
    if (has_hole_) {
      FillHole();
    }
    while (num_dead_ > 0 && IsDead(keys_[kRoot])) {
      --num_dead_;
      FillHole();
    }
  }

  void DropDead() {
    std::vector<Key, CacheLineAllocator<Key>> kept(kRoot + 4, kNoKey);
    kept.swap(keys_);
    const size_t first = kRoot + (has_hole_ ? 1 : 0);
    const size_t end = kRoot + size_;
    size_ = num_dead_ = 0;
    has_hole_ = false;
    for (size_t i = first; i < end; ++i) {
      if (!IsDead(kept[i])) {
        SiftUp(kept[i]);
      }
    }
  }

  std::vector<uint64_t> live_;  // of the pending event of each slot, the key's lower half; 0: none
  std::vector<Key, CacheLineAllocator<Key>> keys_;
  size_t size_ = 0;  // entries in keys_, a hole at the root and dead ones included
  size_t num_dead_ = 0;
  uint64_t sequence_ = 0;
  Picoseconds now_ = 0;
  bool has_hole_ = false;
};

}  // namespace ridgeline::engine

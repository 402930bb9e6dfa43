#include "sim/engine/event_queue.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

namespace ridgeline::engine {
namespace {

std::vector<uint32_t> PopAll(EventQueue& queue) {
  std::vector<uint32_t> slots;
  while (!queue.empty()) {
    slots.push_back(queue.Pop().slot);
  }
  return slots;
}

// INV-2
TEST(EventQueueTest, SimultaneousEventsRunInPriorityThenInsertionOrder) {
  EventQueue queue(5);
  queue.Schedule(3, 10, 1);
  queue.Schedule(1, 10, 0);
  queue.Schedule(4, 10, 1);
  queue.Schedule(2, 10, 0);
  queue.Schedule(0, 9, 15);
  EXPECT_EQ(PopAll(queue), (std::vector<uint32_t>{0, 1, 2, 3, 4}));
}

// INV-2
TEST(EventQueueTest, TheClockNeverGoesBack) {
  EventQueue queue(2);
  queue.Schedule(0, 100);
  EXPECT_EQ(queue.Pop().time, 100);
  EXPECT_EQ(queue.now(), 100);
  EXPECT_THROW(queue.Schedule(1, 99), InternalError);
  queue.Schedule(1, 100);  // now is allowed
  EXPECT_EQ(queue.Pop().time, 100);
}

TEST(EventQueueTest, CancelledEventsDoNotRun) {
  EventQueue queue(3);
  queue.Schedule(0, 1);
  queue.Schedule(1, 2);
  queue.Schedule(2, 3);
  EXPECT_TRUE(queue.Cancel(0));
  EXPECT_TRUE(queue.Cancel(2));
  EXPECT_FALSE(queue.Cancel(2));
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue.NextTime(), 2);
  EXPECT_EQ(PopAll(queue), (std::vector<uint32_t>{1}));
  EXPECT_THROW(queue.Pop(), InternalError);
}

TEST(EventQueueTest, SchedulingAPendingSlotMovesIt) {
  EventQueue queue(2);
  queue.Schedule(0, 5);
  queue.Schedule(1, 7);
  queue.Schedule(0, 9);
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(PopAll(queue), (std::vector<uint32_t>{1, 0}));
  EXPECT_EQ(queue.now(), 9);
}

TEST(EventQueueTest, ResetForgetsEventsAndClock) {
  EventQueue queue(2);
  queue.Schedule(0, 5);
  queue.Schedule(1, 6);
  queue.Pop();
  queue.Reset(1);
  EXPECT_TRUE(queue.empty());
  EXPECT_FALSE(queue.IsPending(0));
  queue.Schedule(0, 0);
  EXPECT_EQ(queue.Pop().time, 0);
}

TEST(EventQueueTest, RefusesUnknownSlotsAndPriorities) {
  EventQueue queue(2);
  EXPECT_THROW(queue.Schedule(2, 0), InternalError);
  EXPECT_THROW(queue.Schedule(0, 0, EventQueue::kNumPriorities), InternalError);
  EXPECT_THROW(queue.Schedule(0, -1), InternalError);
}

// Against the obvious implementation: a list that is searched for its least entry.
TEST(EventQueueTest, AgreesWithAListOnRandomSchedulesMovesAndCancels) {
  std::mt19937_64 random(1);
  constexpr uint32_t kSlots = 300;
  EventQueue queue(kSlots);
  struct Entry {
    int64_t time;
    uint32_t priority;
    uint64_t sequence;
    uint32_t slot;
    bool operator<(const Entry& o) const {
      return std::tie(time, priority, sequence) < std::tie(o.time, o.priority, o.sequence);
    }
  };
  std::vector<Entry> list;
  const auto erase = [&list](uint32_t slot) {
    return std::erase_if(list, [slot](const Entry& entry) { return entry.slot == slot; }) > 0;
  };
  for (uint64_t step = 0; step < 50'000; ++step) {
    const auto slot = static_cast<uint32_t>(random() % kSlots);
    const uint64_t action = random() % 10;
    if (action < 5) {
      const int64_t time = queue.now() + static_cast<int64_t>(random() % 20);
      const auto priority = static_cast<uint32_t>(random() % 3);
      erase(slot);
      list.push_back({time, priority, step, slot});
      queue.Schedule(slot, time, priority);
    } else if (action < 7) {
      ASSERT_EQ(queue.Cancel(slot), erase(slot));
    } else if (!list.empty()) {
      const auto least = std::min_element(list.begin(), list.end());
      ASSERT_EQ(queue.NextTime(), least->time);
      const Event event = queue.Pop();
      ASSERT_EQ(event.slot, least->slot);
      ASSERT_EQ(event.time, least->time);
      ASSERT_EQ(event.priority, least->priority);
      list.erase(least);
    }
    ASSERT_EQ(queue.size(), list.size());
  }
}

}  // namespace
}  // namespace ridgeline::engine

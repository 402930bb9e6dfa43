#include "service/server/run_queue.h"

#include <latch>

#include <gtest/gtest.h>

namespace ridgeline::server {
namespace {

using std::chrono::seconds;

RunHandle MakeRun(std::function<void()> work) {
  auto run = std::make_shared<Run>();
  run->work = std::move(work);
  return run;
}

/// A run that lasts until it is stopped.
RunHandle EndlessRun(std::latch& begun) {
  auto run = std::make_shared<Run>();
  run->work = [&begun, token = run->stop.get_token()] {
    begun.count_down();
    while (!token.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  };
  return run;
}

TEST(RunQueueTest, RunsWhatIsSubmittedInOrder) {
  RunQueue queue(1, 10);
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(queue.Submit(MakeRun([&order, i] { order.push_back(i); })),
              RunQueue::Admission::kAccepted);
  }
  ASSERT_TRUE(queue.WaitUntilIdle(RunQueue::Clock::now() + seconds(10)));
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(RunQueueTest, RefusesBeyondWhatMayWait) {
  RunQueue queue(1, 1);
  std::latch begun(1);
  const RunHandle endless = EndlessRun(begun);
  ASSERT_EQ(queue.Submit(endless), RunQueue::Admission::kAccepted);
  begun.wait();
  EXPECT_EQ(queue.Submit(MakeRun([] {})), RunQueue::Admission::kAccepted);
  EXPECT_EQ(queue.Submit(MakeRun([] {})), RunQueue::Admission::kFull);
  endless->stop.request_stop();
}

TEST(RunQueueTest, WhatIsWithdrawnNeverRuns) {
  RunQueue queue(1, 2);
  std::latch begun(1);
  const RunHandle endless = EndlessRun(begun);
  ASSERT_EQ(queue.Submit(endless), RunQueue::Admission::kAccepted);
  begun.wait();
  bool has_run = false;
  const RunHandle waiting = MakeRun([&has_run] { has_run = true; });
  ASSERT_EQ(queue.Submit(waiting), RunQueue::Admission::kAccepted);
  EXPECT_TRUE(queue.Withdraw(waiting));
  EXPECT_FALSE(queue.Withdraw(waiting));
  EXPECT_FALSE(queue.Withdraw(endless)) << "it runs";
  endless->stop.request_stop();
  ASSERT_TRUE(queue.WaitUntilIdle(RunQueue::Clock::now() + seconds(10)));
  EXPECT_FALSE(has_run);
}

TEST(RunQueueTest, ClosedItFinishesButAcceptsNothing) {
  RunQueue queue(1, 2);
  std::latch begun(1);
  ASSERT_EQ(queue.Submit(EndlessRun(begun)), RunQueue::Admission::kAccepted);
  begun.wait();
  queue.Close();
  EXPECT_EQ(queue.Submit(MakeRun([] {})), RunQueue::Admission::kClosed);
  EXPECT_FALSE(queue.WaitUntilIdle(RunQueue::Clock::now()));
  queue.StopAll();
  EXPECT_TRUE(queue.WaitUntilIdle(RunQueue::Clock::now() + seconds(10)));
}

}  // namespace
}  // namespace ridgeline::server

#include "service/server/run_queue.h"

#include <algorithm>
#include <utility>

namespace ridgeline::server {

RunQueue::RunQueue(int max_runs, int max_waiting) : max_waiting_(static_cast<size_t>(max_waiting)) {
  for (int i = 0; i < max_runs; ++i) {
    threads_.emplace_back([this] { Work(); });
  }
}

RunQueue::~RunQueue() {
  StopAll();
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    is_ending_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

RunQueue::Admission RunQueue::Submit(RunHandle run) {
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_) {
      return Admission::kClosed;
    }
    // A thread that is free but has not looked yet counts as room.
    const size_t free_threads = threads_.size() - std::min(threads_.size(), running_.size());
    if (waiting_.size() >= max_waiting_ + free_threads) {
      return Admission::kFull;
    }
    waiting_.push_back(std::move(run));
  }
  changed_.notify_all();
  return Admission::kAccepted;
}

bool RunQueue::Withdraw(const RunHandle& run) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find(waiting_.begin(), waiting_.end(), run);
    if (found == waiting_.end()) {
      return false;
    }
    waiting_.erase(found);
  }
  changed_.notify_all();
  return true;
}

void RunQueue::Close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
}

bool RunQueue::is_closed() const {
  const std::lock_guard lock(mutex_);
  return is_closed_;
}

void RunQueue::StopAll() {
  // Stop callbacks may call back into this queue: they run without its lock.
  std::vector<RunHandle> runs;
  {
    const std::lock_guard lock(mutex_);
    runs.assign(running_.begin(), running_.end());
    runs.insert(runs.end(), waiting_.begin(), waiting_.end());
  }
  for (const RunHandle& run : runs) {
    run->stop.request_stop();
  }
}

bool RunQueue::WaitUntilIdle(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline,
                             [this] { return waiting_.empty() && running_.empty(); });
}

void RunQueue::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_ending_ || !waiting_.empty(); });
    if (waiting_.empty()) {
      return;
    }
    RunHandle run = std::move(waiting_.front());
    waiting_.pop_front();
    running_.insert(run);
    lock.unlock();
    run->work();
    lock.lock();
    running_.erase(run);
    changed_.notify_all();
    lock.unlock();
    run.reset();  // what the work held is freed outside the lock
    lock.lock();
  }
}

}  // namespace ridgeline::server

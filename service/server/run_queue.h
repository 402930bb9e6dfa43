/// The threads that do the work: a bounded number of runs at once, a bounded number that wait,
/// first come, first served. gRPC's own threads never compute.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>
#include <vector>

namespace ridgeline::server {

/// One run. `stop` is requested by whoever no longer wants it.
struct Run {
  std::function<void()> work;  // must not throw
  std::stop_source stop;
};
/// Shared, because the queue and the call that waits for the answer both refer to it, and either
/// may be done first.
using RunHandle = std::shared_ptr<Run>;

class RunQueue {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Admission { kAccepted, kFull, kClosed };

  RunQueue(int max_runs, int max_waiting);
  /// Closes, stops what runs, drops what waits, and joins.
  ~RunQueue();
  RunQueue(const RunQueue&) = delete;
  RunQueue& operator=(const RunQueue&) = delete;

  /// Accepted: `run->work` is called once, unless the run is withdrawn before.
  Admission Submit(RunHandle run);
  /// True when the run was still waiting; its work is then never called.
  bool Withdraw(const RunHandle& run);

  /// From now on nothing is accepted.
  void Close();
  bool is_closed() const;
  /// Asks every run to stop, those that wait included (their work is still called).
  void StopAll();
  /// True when nothing runs or waits any more, false when that took too long.
  bool WaitUntilIdle(Clock::time_point deadline);

 private:
  void Work();

  const size_t max_waiting_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<RunHandle> waiting_;
  std::set<RunHandle> running_;
  bool is_closed_ = false;
  bool is_ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ridgeline::server

/// Where a run sends what it has to say, and how progress becomes an event. Knows no transport: a
/// call's work is written against this and is tested without a network.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "base/progress.h"

namespace ridgeline::server {

/// Event: one of the stream messages of ridgeline/v1/services.proto.
template <class Event>
class EventSink {
 public:
  virtual ~EventSink() = default;
  /// Never blocks. From any thread. Results arrive in order; progress may be replaced by newer.
  virtual void Send(Event event) = 0;
};

/// At most ten events a second, whatever is reported; from any thread.
template <class Event>
class EventProgress final : public Progress {
 public:
  explicit EventProgress(EventSink<Event>& sink) : sink_(sink) {}

  void Report(std::string_view phase, double done, double total, std::string_view unit) override {
    const Clock::duration elapsed = Clock::now() - begin_;
    Clock::duration next = next_.load(std::memory_order_relaxed);
    if (elapsed < next ||
        !next_.compare_exchange_strong(next, elapsed + std::chrono::milliseconds(100))) {
      return;
    }
    Event event;
    auto& progress = *event.mutable_progress();
    progress.set_phase(std::string(phase));
    progress.set_done(done);
    progress.set_total(total);
    progress.set_unit(std::string(unit));
    const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count();
    progress.mutable_elapsed()->set_seconds(nanoseconds / 1'000'000'000);
    progress.mutable_elapsed()->set_nanos(static_cast<int>(nanoseconds % 1'000'000'000));
    sink_.Send(std::move(event));
  }

 private:
  using Clock = std::chrono::steady_clock;
  EventSink<Event>& sink_;
  const Clock::time_point begin_ = Clock::now();
  std::atomic<Clock::duration> next_ = Clock::duration(0);
};

}  // namespace ridgeline::server

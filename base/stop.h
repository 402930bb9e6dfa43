/// "Stop now?": asked by every long loop. A stop token (a user's ^C, a client's cancel) joined with
/// a deadline.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>

#include "base/result.h"

namespace ridgeline {

class Stop {
 public:
  using Clock = std::chrono::steady_clock;
  Stop() = default;
  explicit Stop(std::stop_token token, std::optional<Clock::time_point> deadline = {})
      : token_(std::move(token)), deadline_(deadline) {}

  /// True once asked to stop or past the deadline. Costs an atomic load, plus a clock read when
  /// there is a deadline: ask every 1,024 steps.
  bool IsRequested() const {
    return token_.stop_requested() || (deadline_ && Clock::now() >= *deadline_);
  }
  /// OK, or why to stop: kCancelled or kDeadlineExceeded.
  Status Check() const {
    if (token_.stop_requested()) {
      return Fail({.code = ErrorCode::kCancelled, .message = "interrupted"});
    }
    if (deadline_ && Clock::now() >= *deadline_) {
      return Fail({.code = ErrorCode::kDeadlineExceeded,
                   .message = "deadline exceeded",
                   .hint = "allow more time with --timeout"});
    }
    return {};
  }

 private:
  std::stop_token token_;
  std::optional<Clock::time_point> deadline_;
};

}  // namespace ridgeline

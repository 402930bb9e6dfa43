/// What waits to be written to a client: every result, and of the progress only the newest, so that
/// a client that reads slowly costs no memory and slows nothing.
#pragma once

#include <deque>
#include <optional>
#include <utility>

namespace ridgeline::server {

/// Event: has `has_progress()`. Not for several threads at once.
template <class Event>
class PendingEvents {
 public:
  void Add(Event event) {
    if (event.has_progress()) {
      progress_ = std::move(event);
      return;
    }
    // Progress of before this event is news no more; so none ever follows the last result.
    progress_.reset();
    events_.push_back(std::move(event));
  }

  std::optional<Event> Take() {
    if (events_.empty()) {
      return std::exchange(progress_, std::nullopt);
    }
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

  bool empty() const { return events_.empty() && !progress_; }
  void Clear() {
    events_.clear();
    progress_.reset();
  }

 private:
  std::deque<Event> events_;
  std::optional<Event> progress_;  // newer than all of `events_`
};

}  // namespace ridgeline::server

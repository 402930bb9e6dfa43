/// ^C becomes a stop token, so that work ends at a clean place; a second ^C ends the program at
/// once.
///
/// SIGINT is blocked in every thread and read by one, through signalfd: nothing runs in a signal
/// handler. Construct it before any other thread starts.
#pragma once

#include <stop_token>
#include <thread>

namespace ridgeline::cli {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return source_.get_token(); }

 private:
  void Watch();

  std::stop_source source_;
  int signals_ = -1;  // signalfd: SIGINT arrives here
  int wake_ = -1;     // eventfd: the destructor asks the thread to end
  std::thread watcher_;
};

}  // namespace ridgeline::cli

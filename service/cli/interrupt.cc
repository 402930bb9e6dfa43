#include "service/cli/interrupt.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "service/cli/exit_code.h"

namespace ridgeline::cli {

Interrupt::Interrupt() {
  // A reader that goes away (`| head`) is a failed write, not a death.
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC);
  if (signals_ < 0 || wake_ < 0) {
    // Without descriptors to spare ^C keeps its usual meaning.
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    return;
  }
  // The watcher takes no signal at all: whoever else waits for one (serve, for SIGTERM) blocks it
  // in the threads that it knows, and this one must not be where it is delivered after all.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  watcher_ = std::thread([this] { Watch(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Interrupt::~Interrupt() {
  if (watcher_.joinable()) {
    const uint64_t one = 1;
    // An eventfd at zero always takes one; there is nobody to tell if it did not.
    [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
    watcher_.join();
  }
  for (const int descriptor : {signals_, wake_}) {
    if (descriptor >= 0) {
      close(descriptor);
    }
  }
}

void Interrupt::Watch() {
  while (true) {
    std::array<pollfd, 2> wait = {pollfd{.fd = signals_, .events = POLLIN, .revents = 0},
                                  pollfd{.fd = wake_, .events = POLLIN, .revents = 0}};
    if (poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) {
      return;
    }
    if ((wait[1].revents & POLLIN) != 0) {
      return;
    }
    signalfd_siginfo info{};
    if ((wait[0].revents & POLLIN) != 0 && read(signals_, &info, sizeof info) > 0 &&
        !source_.request_stop()) {
      _exit(kExitInterrupted);
    }
  }
}

}  // namespace ridgeline::cli

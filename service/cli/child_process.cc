#include "service/cli/child_process.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ridgeline::cli {
namespace {

constexpr std::chrono::milliseconds kPause(50);
constexpr std::chrono::seconds kGrace(5);

/// The streams and signals that the child begins with.
class SpawnSettings {
 public:
  /// `out`: the writing end that becomes standard output, or -1 for our standard error.
  explicit SpawnSettings(int out) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (out < 0) {
      posix_spawn_file_actions_adddup2(&actions_, STDERR_FILENO, STDOUT_FILENO);
    } else {
      posix_spawn_file_actions_adddup2(&actions_, out, STDOUT_FILENO);
      posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    posix_spawnattr_init(&attributes_);
    // We block SIGINT for ourselves (interrupt.h); a child that inherits that cannot be stopped.
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_ = {};
  posix_spawnattr_t attributes_ = {};
};

/// Appends what can be read within the pause.
void Drain(int from, std::string& out) {
  pollfd waiting{.fd = from, .events = POLLIN, .revents = 0};
  while (poll(&waiting, 1, static_cast<int>(kPause.count())) > 0) {
    char part[4096];
    const ssize_t got = read(from, part, sizeof part);
    if (got <= 0) {
      std::this_thread::sleep_for(kPause);  // closed; the child may still run
      return;
    }
    out.append(part, static_cast<size_t>(got));
  }
}

/// Whether the child has ended, and how.
bool HasEnded(pid_t child, int& exit_code) {
  int status = 0;
  if (waitpid(child, &status, WNOHANG) != child) {
    return false;
  }
  exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

void StopChild(pid_t child) {
  kill(-child, SIGTERM);
  const auto deadline = Stop::Clock::now() + kGrace;
  int ignored = 0;
  while (!HasEnded(child, ignored)) {
    if (Stop::Clock::now() > deadline) {
      kill(-child, SIGKILL);
      waitpid(child, nullptr, 0);
      return;
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

Result<ChildResult> RunChild(const std::vector<std::string>& words, ChildOutput output,
                             const Stop& stop) {
  int ends[2] = {-1, -1};
  if (output == ChildOutput::kKept && pipe2(ends, O_CLOEXEC) != 0) {
    return Fail({.code = ErrorCode::kResourceExhausted, .message = "no pipe for a child"});
  }
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  const SpawnSettings settings(ends[1]);
  pid_t child = 0;
  const int failure = posix_spawnp(&child, words.front().c_str(), settings.actions(),
                                   settings.attributes(), arguments.data(), environ);
  if (ends[1] >= 0) {
    close(ends[1]);
  }
  const auto close_pipe = [](const int* end) {
    if (*end >= 0) {
      close(*end);
    }
  };
  const std::unique_ptr<int, decltype(close_pipe)> reading(&ends[0], close_pipe);
  if (failure != 0) {
    return NotFound(fmt::format("cannot run {}: {}", words.front(),
                                std::strerror(failure)));  // NOLINT(concurrency-mt-unsafe)
  }
  ChildResult result;
  while (!HasEnded(child, result.exit_code)) {
    if (Status status = stop.Check(); !status) {
      StopChild(child);
      return tl::unexpected(std::move(status).error());
    }
    if (ends[0] >= 0) {
      Drain(ends[0], result.out);
    } else {
      std::this_thread::sleep_for(kPause);
    }
  }
  if (ends[0] >= 0) {
    Drain(ends[0], result.out);
  }
  return result;
}

}  // namespace ridgeline::cli

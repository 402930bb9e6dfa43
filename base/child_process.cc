#include "base/child_process.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ridgeline {

namespace fs = std::filesystem;

namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kShortestPause(1);
constexpr Milliseconds kLongestPause(50);
constexpr std::chrono::seconds kGrace(5);
constexpr size_t kLastWords = 4096;
constexpr int kUnknownStatus = 0xff00;  // as of exit code 255

/// An open file of ours; -1 for none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { Close(); }

  void Close() {
    if (number_ >= 0) {
      close(number_);
      number_ = -1;
    }
  }
  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }

  /// Away from 0, 1 and 2, which the child's own streams replace one after the other.
  bool LiftAboveStandardStreams() {
    if (number_ > STDERR_FILENO) {
      return true;
    }
    Descriptor lifted(fcntl(number_, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    std::swap(number_, lifted.number_);
    return number_ >= 0;
  }

 private:
  int number_ = -1;
};

/// A way between us and a child; neither end is inherited by other children.
struct Way {
  Descriptor ours;
  Descriptor childs;
};

bool MakeWay(int ours, int childs, Way& way) {
  way.ours = Descriptor(ours);
  way.childs = Descriptor(childs);
  return way.ours.LiftAboveStandardStreams() && way.childs.LiftAboveStandardStreams() &&
         fcntl(way.ours.number(), F_SETFL, O_NONBLOCK) == 0;
}

/// From a child's output to us.
bool OpenReading(Way& way) {
  int ends[2] = {-1, -1};
  return pipe2(ends, O_CLOEXEC) == 0 && MakeWay(ends[0], ends[1], way);
}

/// From us to a child's input: a socket, because one can write to it without SIGPIPE.
bool OpenWriting(Way& way) {
  int ends[2] = {-1, -1};
  return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 &&
         MakeWay(ends[0], ends[1], way);
}

struct Streams {
  Way in;
  Way out;
  Way error;
};

/// The streams and signals that the child begins with.
class SpawnSettings {
 public:
  SpawnSettings(const Streams& streams, ChildOutput output) {
    posix_spawn_file_actions_init(&actions_);
    if (streams.in.childs.is_open()) {
      posix_spawn_file_actions_adddup2(&actions_, streams.in.childs.number(), STDIN_FILENO);
    } else {
      posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    }
    if (output == ChildOutput::kToStandardError) {
      posix_spawn_file_actions_adddup2(&actions_, STDERR_FILENO, STDOUT_FILENO);
    } else {
      posix_spawn_file_actions_adddup2(&actions_, streams.out.childs.number(), STDOUT_FILENO);
      posix_spawn_file_actions_adddup2(&actions_, streams.error.childs.number(), STDERR_FILENO);
    }
    posix_spawnattr_init(&attributes_);
    // We may block SIGINT or ignore SIGPIPE for ourselves; a child that inherits that cannot be
    // stopped, or writes for ever.
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
    sigaddset(&signals, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
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

/// A running child; whoever lets go of it kills and reaps it.
class Child {
 public:
  explicit Child(pid_t id) : id_(id) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (!has_ended_) {
      kill(-id_, SIGKILL);
      waitpid(id_, nullptr, 0);
    }
  }

  bool HasEnded() {
    if (!has_ended_) {
      const pid_t ended = waitpid(id_, &status_, WNOHANG);
      if (ended < 0 && errno == ECHILD) {  // reaped without us: whoever started us ignores SIGCHLD
        status_ = kUnknownStatus;
      }
      has_ended_ = ended == id_ || (ended < 0 && errno == ECHILD);
    }
    return has_ended_;
  }
  void StopGently() {
    kill(-id_, SIGTERM);
    const auto deadline = Stop::Clock::now() + kGrace;
    for (Milliseconds pause = kShortestPause; !HasEnded();
         pause = std::min(2 * pause, kLongestPause)) {
      if (Stop::Clock::now() > deadline) {
        kill(-id_, SIGKILL);
        waitpid(id_, &status_, 0);
        has_ended_ = true;
        return;
      }
      std::this_thread::sleep_for(pause);
    }
  }
  bool was_signalled() const { return WIFSIGNALED(status_); }
  int exit_code() const {
    return WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
  }

 private:
  pid_t id_;
  int status_ = 0;
  bool has_ended_ = false;
};

/// Sends what the child takes now; closes when all is sent or the child reads no more.
void Feed(Descriptor& to, std::string_view& input) {
  while (!input.empty()) {
    const ssize_t sent = send(to.number(), input.data(), input.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    if (sent < 0 && errno == EAGAIN) {
      return;
    }
    if (sent <= 0) {
      break;
    }
    input.remove_prefix(static_cast<size_t>(sent));
  }
  to.Close();
}

/// Appends what can be read now, up to a limit a call; closes at the end.
void Drain(Descriptor& from, std::string& text) {
  constexpr int kPartsACall = 64;
  char part[16384];
  for (int i = 0; i < kPartsACall && from.is_open(); ++i) {
    const ssize_t got = read(from.number(), part, sizeof part);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0 && errno == EAGAIN) {
      return;
    }
    if (got <= 0) {
      from.Close();
      return;
    }
    text.append(part, static_cast<size_t>(got));
  }
}

void DrainAll(Streams& streams, ChildResult& result) {
  Drain(streams.out.ours, result.out);
  Drain(streams.error.ours, result.last_words);
  if (result.last_words.size() > kLastWords) {
    result.last_words.erase(0, result.last_words.size() - kLastWords);
  }
}

/// Waits until a stream can go on, at most for a while.
void Await(const Streams& streams, Milliseconds pause) {
  pollfd waiting[] = {{.fd = streams.in.ours.number(), .events = POLLOUT, .revents = 0},
                      {.fd = streams.out.ours.number(), .events = POLLIN, .revents = 0},
                      {.fd = streams.error.ours.number(), .events = POLLIN, .revents = 0}};
  poll(waiting, std::size(waiting), static_cast<int>(pause.count()));  // -1 is waited for by none
}

Status OpenStreams(const ChildCommand& command, Streams& streams) {
  if ((!command.input.empty() && !OpenWriting(streams.in)) ||
      (command.output == ChildOutput::kKept &&
       (!OpenReading(streams.out) || !OpenReading(streams.error)))) {
    return Fail({.code = ErrorCode::kResourceExhausted,
                 .message = "no pipe for a child: too many open files"});
  }
  return {};
}

Result<pid_t> Spawn(const ChildCommand& command, Streams& streams) {
  std::vector<char*> arguments;
  arguments.reserve(command.words.size() + 1);
  for (const std::string& word : command.words) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  const SpawnSettings settings(streams, command.output);
  pid_t id = 0;
  const int failure = posix_spawnp(&id, command.words.front().c_str(), settings.actions(),
                                   settings.attributes(), arguments.data(), environ);
  if (failure != 0) {
    return NotFound(fmt::format("cannot run {}: {}", command.words.front(),
                                std::strerror(failure)));  // NOLINT(concurrency-mt-unsafe)
  }
  streams.in.childs.Close();
  streams.out.childs.Close();
  streams.error.childs.Close();
  return id;
}

}  // namespace

Result<ChildResult> RunChild(const ChildCommand& command, const Stop& stop) {
  Streams streams;
  RETURN_IF_ERROR(OpenStreams(command, streams));
  ASSIGN_OR_RETURN(const pid_t id, Spawn(command, streams));
  Child child(id);
  ChildResult result;
  std::string_view input = command.input;
  std::optional<ChildEnd> stopped;
  Milliseconds pause = kShortestPause;
  while (!child.HasEnded()) {
    if (Status status = stop.Check(); !status) {
      child.StopGently();
      return tl::unexpected(std::move(status).error());
    }
    if (result.out.size() > command.most_output) {
      stopped = ChildEnd::kTooLoud;
    } else if (command.deadline && Stop::Clock::now() >= *command.deadline) {
      stopped = ChildEnd::kOverdue;
    }
    if (stopped) {
      child.StopGently();
      break;
    }
    // Streams wake us; only a child that has closed all of them is asked again and again.
    const bool has_streams =
        streams.in.ours.is_open() || streams.out.ours.is_open() || streams.error.ours.is_open();
    Await(streams, has_streams ? kLongestPause : pause);
    pause = has_streams ? kShortestPause : std::min(2 * pause, kLongestPause);
    if (streams.in.ours.is_open()) {
      Feed(streams.in.ours, input);
    }
    DrainAll(streams, result);
  }
  // What it left in the pipes: a pipe holds no more than one call reads. A grandchild that keeps
  // them open is not waited for.
  DrainAll(streams, result);
  result.exit_code = child.exit_code();
  result.end = stopped.value_or(child.was_signalled() ? ChildEnd::kSignalled : ChildEnd::kExited);
  return result;
}

Result<ChildResult> RunChild(const std::vector<std::string>& words, ChildOutput output,
                             const Stop& stop) {
  return RunChild(ChildCommand{.words = words, .output = output}, stop);
}

bool IsProgram(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && access(path.c_str(), X_OK) == 0;
}

std::optional<fs::path> FindProgram(std::string_view name) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error && IsProgram(self.parent_path() / name)) {
    return self.parent_path() / name;
  }
  const char* const variable = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe)
  std::string_view folders = variable == nullptr ? "" : variable;
  while (!folders.empty()) {
    const size_t end = std::min(folders.find(':'), folders.size());
    fs::path path = fs::path(folders.substr(0, end)) / name;
    if (end > 0 && IsProgram(path)) {
      return path;
    }
    folders.remove_prefix(std::min(end + 1, folders.size()));
  }
  return std::nullopt;
}

}  // namespace ridgeline

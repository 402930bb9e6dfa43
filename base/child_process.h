/// Runs another program and waits for it: what it says is kept, and ^C, --timeout and a deadline of
/// the caller's reach it. A child that crashes, hangs, babbles or does not read is a result, never
/// a signal, a zombie or a lost descriptor of ours. Thread-safe.
#pragma once

#include <cstddef>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/stop.h"

namespace ridgeline {

enum class ChildOutput {
  kToStandardError,  // standard output is the answer's, and the child's words are none
  kKept  // in ChildResult::out; the end of its standard error in ChildResult::last_words
};

struct ChildCommand {
  std::vector<std::string> words;  // program (sought in PATH when it has no '/') and arguments
  ChildOutput output = ChildOutput::kKept;
  std::string_view input = {};  // what it reads; /dev/null where this is empty
  size_t most_output = std::numeric_limits<size_t>::max();  // bytes kept before it is stopped
  std::optional<Stop::Clock::time_point> deadline = {};     // when it is stopped
};

enum class ChildEnd {
  kExited,     // by itself
  kSignalled,  // a signal that we did not send ended it
  kOverdue,    // stopped at ChildCommand::deadline
  kTooLoud,    // stopped after ChildCommand::most_output
};

struct ChildResult {
  ChildEnd end = ChildEnd::kExited;
  int exit_code = 0;       // 128 + signal when a signal ended it
  std::string out;         // of kKept
  std::string last_words;  // of kKept: at most the last 4 KiB of its standard error
};

/// The child leads a process group of its own; when `stop` or a limit asks, the group gets SIGTERM,
/// then SIGKILL after five seconds. Errors: the stop's; kNotFound when there is no such program;
/// kResourceExhausted without descriptors.
Result<ChildResult> RunChild(const ChildCommand& command, const Stop& stop);
Result<ChildResult> RunChild(const std::vector<std::string>& words, ChildOutput output,
                             const Stop& stop);

/// An executable file.
bool IsProgram(const std::filesystem::path& path);
/// One of that name beside the running program, else in PATH.
std::optional<std::filesystem::path> FindProgram(std::string_view name);

}  // namespace ridgeline

/// Runs another program and waits for it, so that ^C and --timeout reach it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/stop.h"

namespace ridgeline::cli {

enum class ChildOutput {
  kToStandardError,  // standard output is the answer's, and the child's words are none
  kKept              // in ChildResult::out; what it says on standard error is dropped
};

struct ChildResult {
  int exit_code = 0;  // 128 + signal when a signal ended it
  std::string out;    // of kKept
};

/// `words`: program (sought in PATH when it has no '/') and arguments. The child leads a process
/// group of its own; when `stop` asks, the group gets SIGTERM, then SIGKILL after five seconds, and
/// the stop's error comes back. kNotFound when there is no such program.
Result<ChildResult> RunChild(const std::vector<std::string>& words, ChildOutput output,
                             const Stop& stop);

}  // namespace ridgeline::cli

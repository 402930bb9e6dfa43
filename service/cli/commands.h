/// The commands. Each takes what the user typed and the surroundings, writes its answer to
/// `session.out` and returns the exit code; a mistake of the user's comes back as an Error.
#pragma once

#include <string>

#include "base/progress.h"
#include "base/result.h"
#include "base/stop.h"
#include "hardware/catalog.h"
#include "service/cli/command_line.h"

namespace ridgeline::cli {

/// What a command works with besides its arguments.
struct Session {
  CommandLine line;
  hardware::Catalog catalog;
  Stop stop;
  Progress* progress = nullptr;  // never null while a command runs
  bool has_color = false;        // of standard error
  std::string out;               // becomes standard output when the command is done
  std::string closing_note;      // a remark for after the answer, on standard error

  /// A remark on standard error, unless --quiet.
  void Note(const std::string& text) const;
  /// Writes `out` to standard output now and empties it: for commands whose input is a stream.
  /// False when the reader left; an error when it cannot be written.
  Result<bool> FlushOut();
};

Result<int> Simulate(Session& session);
Result<int> Check(Session& session);
Result<int> Explain(Session& session);
Result<int> List(Session& session);
Result<int> Describe(Session& session);
Result<int> Validate(Session& session);
Result<int> ShowVersion(Session& session);
Result<int> Completion(Session& session);
Result<int> Help(Session& session);
Result<int> Plan(Session& session);
Result<int> WhatIf(Session& session);
Result<int> Cost(Session& session);
Result<int> Serve(Session& session);
Result<int> Calibrate(Session& session);
Result<int> Replay(Session& session);

}  // namespace ridgeline::cli

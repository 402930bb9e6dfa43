#include "service/cli/run_program.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/diagnostic.h"
#include "service/calibrations/calibration_source.h"
#include "service/cli/command_table.h"
#include "service/cli/commands.h"
#include "service/cli/data_roots.h"
#include "service/cli/exit_code.h"
#include "service/cli/help.h"
#include "service/cli/interrupt.h"
#include "service/cli/progress_bar.h"
#include "service/cli/shell_word.h"
#include "service/cli/standard_error.h"
#include "service/report/build_version.h"

namespace ridgeline::cli {
namespace {

bool HasColor(ColorMode mode) {
  if (mode != ColorMode::kAuto) {
    return mode == ColorMode::kAlways;
  }
  const char* no_color = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe)
  return isatty(STDERR_FILENO) == 1 && (no_color == nullptr || *no_color == '\0');
}

Result<int> Dispatch(Session& session) {
  const std::string& name = session.line.command;
  if (session.line.wants_help) {
    session.out = CommandHelp(*FindCommand(name));
    return kExitDone;
  }
  struct Entry {
    std::string_view name;
    Result<int> (*run)(Session&);
  };
  constexpr Entry kEntries[] = {
      {"simulate", Simulate},   {"check", Check},           {"explain", Explain},
      {"list", List},           {"describe", Describe},     {"validate", Validate},
      {"version", ShowVersion}, {"completion", Completion}, {"help", Help},
      {"plan", Plan},           {"whatif", WhatIf},         {"cost", Cost},
      {"serve", Serve},         {"calibrate", Calibrate},   {"replay", Replay}};
  for (const Entry& entry : kEntries) {
    if (entry.name == name) {
      return entry.run(session);
    }
  }
  return Unimplemented("not built yet: " + name);
}

/// Writes all of `text`. False when the reader left.
Result<bool> TryWriteOut(const std::string& text) {
  const bool is_written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (is_written && std::fflush(stdout) == 0) {
    return true;
  }
  if (errno == EPIPE) {
    return false;
  }
  return InvalidArgument(fmt::format("cannot write standard output: {}",
                                     std::strerror(errno)));  // NOLINT(concurrency-mt-unsafe)
}

/// A reader that left has what it wanted; anything else is told.
int WriteOut(const std::string& text, int exit_code) {
  const Result<bool> written = TryWriteOut(text);
  if (written) {
    return exit_code;
  }
  Tell(fmt::format("error: {}\n", written.error().message));
  return kExitUsage;
}

void ReportBug(const std::string& what, const std::vector<std::string>& arguments,
               std::optional<uint64_t> seed) {
  std::string command = "ridgeline";
  for (const std::string& word : arguments) {
    command += " " + ShellWord(word);
  }
  const report::BuildVersion build = report::CurrentBuild();
  Tell(fmt::format(
      "internal error: {}\n  this is a bug of ridgeline {} ({}); to reproduce: {}\n  seed: {}\n",
      what, build.version, build.commit, command,
      seed ? std::to_string(*seed) : "the scenario's (default 1)"));
}

/// Gives a standard stream that the caller closed a descriptor that fails: else the next file
/// opened would take its number, and be read as input or written as the answer.
void OccupyClosedStreams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) == -1 && errno == EBADF) {
      // The lowest free number is this one. The wrong direction makes every use an error.
      const int way = stream == STDIN_FILENO ? O_WRONLY : O_RDONLY;
      [[maybe_unused]] const int taken = open("/dev/null", way);
    }
  }
}

int Fail(const Error& error, bool has_color) {
  Tell(RenderError(error, has_color));
  return ExitCodeOf(error);
}

int RunCommand(CommandLine line, const Interrupt& interrupt) {
  const Stop::Clock::time_point begin = Stop::Clock::now();
  const bool has_color = HasColor(line.color);
  std::optional<Stop::Clock::time_point> deadline;
  if (line.timeout) {
    deadline = Stop::Clock::now() + std::chrono::duration_cast<Stop::Clock::duration>(
                                        std::chrono::duration<double>(line.timeout->base()));
  }
  const bool is_terminal = isatty(STDERR_FILENO) == 1 && !line.is_quiet;
  std::optional<ProgressBar> bar(std::in_place, line.progress, is_terminal);
  Session session{.line = std::move(line),
                  .catalog = hardware::Catalog({}),
                  .stop = Stop(interrupt.token(), deadline),
                  .progress = &*bar,
                  .has_color = has_color,
                  .out = {},
                  .closing_note = {}};
  session.catalog = hardware::Catalog(DataRoots(session.line.configs));
  Result<std::shared_ptr<const hardware::CostSource>> costs =
      calibrations::MakeCostSource(session.catalog.roots(), session.line.calibration);
  if (!costs) {
    return Fail(costs.error(), has_color);
  }
  session.catalog.set_cost_source(*std::move(costs), session.line.is_strict_calibration);
  const Result<int> result = Dispatch(session);
  bar.reset();
  if (!result) {
    // What was finished before the error is still an answer.
    WriteOut(session.out, kExitDone);
    return Fail(result.error(), has_color);
  }
  const int exit_code = WriteOut(session.out, *result);
  if (!session.closing_note.empty()) {
    session.Note(session.closing_note);
  }
  if (session.line.verbosity > 0) {
    const std::chrono::duration<double> elapsed = Stop::Clock::now() - begin;
    std::string roots;
    for (const std::filesystem::path& root : session.catalog.roots()) {
      roots += (roots.empty() ? "" : ", ") + root.string();
    }
    session.Note(fmt::format("took {:.3f} s; named things from {}", elapsed.count(), roots));
  }
  return exit_code;
}

}  // namespace

void Session::Note(const std::string& text) const {
  if (!line.is_quiet) {
    Tell(fmt::format("{}\n", text));
  }
}

Result<bool> Session::FlushOut() {
  const std::string text = std::exchange(out, {});
  return TryWriteOut(text);
}

int RunProgram(const std::vector<std::string>& arguments) {
  std::optional<uint64_t> seed;
  try {
    OccupyClosedStreams();
    const Interrupt interrupt;
    Result<CommandLine> line = ParseCommandLine(arguments);
    if (!line) {
      return Fail(line.error(), HasColor(ColorMode::kAuto));
    }
    seed = line->seed;
    return RunCommand(*std::move(line), interrupt);
  } catch (const std::exception& error) {
    ReportBug(error.what(), arguments, seed);
  } catch (...) {
    ReportBug("unknown exception", arguments, seed);
  }
  return kExitInternal;
}

}  // namespace ridgeline::cli

#include "service/cli/run_program.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>

#include "base/diagnostic.h"
#include "service/cli/command_table.h"
#include "service/cli/commands.h"
#include "service/cli/data_roots.h"
#include "service/cli/exit_code.h"
#include "service/cli/help.h"
#include "service/cli/interrupt.h"
#include "service/cli/progress_bar.h"
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
      {"version", ShowVersion}, {"completion", Completion}, {"help", Help}};
  for (const Entry& entry : kEntries) {
    if (entry.name == name) {
      return entry.run(session);
    }
  }
  return Unimplemented("not built yet: " + name);
}

/// Writes all of `text`. A reader that left has what it wanted; anything else is told.
int WriteOut(const std::string& text, int exit_code) {
  const bool is_written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (is_written && std::fflush(stdout) == 0) {
    return exit_code;
  }
  if (errno == EPIPE) {
    return exit_code;
  }
  fmt::print(stderr, "error: cannot write standard output: {}\n",
             std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
  return kExitUsage;
}

/// A word of a command line as a shell would need it written.
std::string Quoted(const std::string& word) {
  const bool is_plain =
      !word.empty() &&
      word.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./,:@%+") ==
          std::string::npos;
  if (is_plain) {
    return word;
  }
  std::string quoted = "'";
  for (const char c : word) {
    quoted += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return quoted + "'";
}

void ReportBug(const std::string& what, const std::vector<std::string>& arguments,
               std::optional<uint64_t> seed) {
  std::string command = "ridgeline";
  for (const std::string& word : arguments) {
    command += " " + Quoted(word);
  }
  const report::BuildVersion build = report::CurrentBuild();
  fmt::print(
      stderr,
      "internal error: {}\n  this is a bug of ridgeline {} ({}); to reproduce: {}\n  seed: {}\n",
      what, build.version, build.commit, command,
      seed ? std::to_string(*seed) : "the scenario's (default 1)");
}

int Fail(const Error& error, bool has_color) {
  fmt::print(stderr, "{}", RenderError(error, has_color));
  return ExitCodeOf(error);
}

int RunCommand(CommandLine line, const Interrupt& interrupt) {
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
                  .out = {}};
  session.catalog = hardware::Catalog(DataRoots(session.line.configs));
  const Result<int> result = Dispatch(session);
  bar.reset();
  if (!result) {
    // What was finished before the error is still an answer.
    WriteOut(session.out, kExitDone);
    return Fail(result.error(), has_color);
  }
  return WriteOut(session.out, *result);
}

}  // namespace

void Session::Note(const std::string& text) const {
  if (!line.is_quiet) {
    fmt::print(stderr, "{}\n", text);
  }
}

int RunProgram(const std::vector<std::string>& arguments) {
  std::optional<uint64_t> seed;
  try {
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

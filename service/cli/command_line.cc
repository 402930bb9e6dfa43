#include "service/cli/command_line.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/nearest_name.h"
#include "base/units_text.h"
#include "service/cli/command_table.h"
#include "service/cli/spelling.h"

namespace ridgeline::cli {
namespace {

/// Every flag's values as text, by name; flags without a value are counted.
struct Words {
  std::map<std::string_view, std::vector<std::string>> values;
  std::map<std::string_view, int> counts;
  std::vector<std::string> arguments;
};

Result<Words> Tokenize(const std::vector<std::string>& arguments) {
  Words words;
  CLI::App app;
  app.set_help_flag();
  for (const FlagInfo& flag : Flags()) {
    const std::string names =
        flag.letter == 0 ? std::string(flag.name) : fmt::format("-{},{}", flag.letter, flag.name);
    if (flag.value.empty()) {
      app.add_flag(names, words.counts[flag.name]);
    } else {
      app.add_option(names, words.values[flag.name])->allow_extra_args(false);
    }
  }
  app.add_option("arguments", words.arguments);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return InvalidArgument(error.what(), "ridgeline help COMMAND shows its flags and an example");
  }
  return words;
}

/// The index of `value` among `names`, or an error that names the flag.
Result<size_t> Choice(std::string_view flag, const std::string& value,
                      const std::vector<std::string>& names) {
  const auto found = std::find(names.begin(), names.end(), value);
  if (found == names.end()) {
    return InvalidArgument(fmt::format("{} does not take: {}", flag, value),
                           SuggestName(value, names));
  }
  return static_cast<size_t>(found - names.begin());
}

Result<int64_t> WholeNumber(std::string_view flag, const std::string& text, int64_t least,
                            int64_t most) {
  const Result<int64_t> value = ParseInteger(text);
  if (!value || *value < least || *value > most) {
    return InvalidArgument(
        fmt::format("{} needs a whole number from {} to {}: {}", flag, least, most, text));
  }
  return *value;
}

/// The last value given to a flag, if any.
std::optional<std::string> LastOf(const Words& words, std::string_view flag) {
  const std::vector<std::string>& values = words.values.at(flag);
  return values.empty() ? std::nullopt : std::optional(values.back());
}

Result<std::optional<Seconds>> TimeOf(const Words& words, std::string_view flag) {
  const std::optional<std::string> text = LastOf(words, flag);
  if (!text) {
    return std::nullopt;
  }
  Result<Seconds> time = ParseQuantity<Seconds>(*text);
  if (!time) {
    return InvalidArgument(fmt::format("{}: {}", flag, time.error().message), time.error().hint);
  }
  if (*time <= Seconds() || *time > Seconds::FromBase(1e9)) {
    return InvalidArgument(fmt::format("{} must be above 0 s and below 30 years: {}", flag, *text));
  }
  return *time;
}

Result<std::optional<int>> CountOf(const Words& words, std::string_view flag, int64_t least,
                                   int64_t most) {
  const std::optional<std::string> text = LastOf(words, flag);
  if (!text) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const int64_t number, WholeNumber(flag, *text, least, most));
  return static_cast<int>(number);
}

Status FillNumbers(const Words& words, CommandLine& line) {
  if (const auto text = LastOf(words, "--seed")) {
    ASSIGN_OR_RETURN(const int64_t seed,
                     WholeNumber("--seed", *text, 0, std::numeric_limits<int64_t>::max()));
    line.seed = static_cast<uint64_t>(seed);
  }
  std::optional<std::string> jobs = LastOf(words, "--jobs");
  if (!jobs) {
    // The one environment variable that stands for a flag here; read before any thread exists.
    if (const char* variable = std::getenv("RIDGELINE_JOBS")) {  // NOLINT(concurrency-mt-unsafe)
      jobs = variable;
    }
  }
  if (jobs) {
    ASSIGN_OR_RETURN(const int64_t number, WholeNumber("--jobs", *jobs, 1, 4096));
    line.jobs = static_cast<int>(number);
  }
  ASSIGN_OR_RETURN(line.timeout, TimeOf(words, "--timeout"));
  ASSIGN_OR_RETURN(line.drain_timeout, TimeOf(words, "--drain-timeout"));
  ASSIGN_OR_RETURN(line.nodes, CountOf(words, "--nodes", 1, 1'000'000));
  ASSIGN_OR_RETURN(line.max_runs, CountOf(words, "--max-runs", 1, 4096));
  ASSIGN_OR_RETURN(line.max_queue, CountOf(words, "--max-queue", 0, 1'000'000));
  return {};
}

Status FillChoices(const Words& words, CommandLine& line) {
  if (const auto text = LastOf(words, "--output"); text == "nccl-tests" && line.command == "cost") {
    line.is_nccl_tests = true;
  } else if (text) {
    std::vector<std::string> names = report::OutputFormatNames();
    const size_t num_tables = names.size();
    if (line.command == "describe") {
      names.insert(names.end(), {"dot", "svg"});
    }
    ASSIGN_OR_RETURN(const size_t index, Choice("--output", *text, names));
    if (index < num_tables) {
      line.output = static_cast<report::OutputFormat>(index);
    } else {
      line.picture = index == num_tables ? Picture::kDot : Picture::kSvg;
    }
  }
  if (const auto text = LastOf(words, "--progress")) {
    ASSIGN_OR_RETURN(const size_t index,
                     Choice("--progress", *text, {"auto", "plain", "json", "none"}));
    line.progress = static_cast<ProgressMode>(index);
  }
  if (const auto text = LastOf(words, "--color")) {
    ASSIGN_OR_RETURN(const size_t index, Choice("--color", *text, {"auto", "always", "never"}));
    line.color = static_cast<ColorMode>(index);
  }
  return {};
}

/// The file that a flag names; empty when it is not given.
Result<std::string> FileOf(const Words& words, std::string_view flag) {
  const std::optional<std::string> file = LastOf(words, flag);
  if (file && file->empty()) {
    return InvalidArgument(fmt::format("{} needs the name of a file to write", flag));
  }
  return file.value_or("");
}

Status CheckArgumentCount(const CommandInfo& command, size_t count) {
  const bool is_too_many =
      command.max_arguments >= 0 && count > static_cast<size_t>(command.max_arguments);
  if (count >= static_cast<size_t>(command.min_arguments) && !is_too_many) {
    return {};
  }
  return InvalidArgument(fmt::format("{} arguments for {}: {}",
                                     is_too_many ? "too many" : "too few", command.name, count),
                         command.usage.empty()
                             ? fmt::format("ridgeline {}", command.name)
                             : fmt::format("ridgeline {} {}", command.name, command.usage));
}

}  // namespace

Result<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments) {
  ASSIGN_OR_RETURN(const CommandInfo* const command, NamedCommand(arguments));
  RETURN_IF_ERROR(CheckFlags(*command, arguments));
  ASSIGN_OR_RETURN(Words words, Tokenize(arguments));

  CommandLine line;
  line.command = command->name;
  line.arguments = std::move(words.arguments);
  // A bare --help has no command of its own: the overview.
  const bool is_overview = line.arguments.empty() && command->name == "help";
  if (!line.arguments.empty() && line.arguments.front() == command->name) {
    line.arguments.erase(line.arguments.begin());
  }
  line.overrides = words.values.at("--set");
  line.group = LastOf(words, "--group").value_or("");
  line.half = LastOf(words, "--half").value_or(line.half);
  ASSIGN_OR_RETURN(line.trace_file, FileOf(words, "--trace"));
  ASSIGN_OR_RETURN(line.requests_file, FileOf(words, "--requests"));
  line.is_stepwise = words.counts.at("--no-fast-forward") > 0;
  line.vary = words.values.at("--vary");
  line.is_one_at_a_time = words.counts.at("--one-at-a-time") > 0;
  line.targets = words.values.at("--target");
  line.minimize = LastOf(words, "--minimize");
  line.gpu = LastOf(words, "--gpu").value_or("");
  line.cluster = LastOf(words, "--cluster").value_or("");
  line.from_gpu = LastOf(words, "--from").value_or("");
  line.sizes = LastOf(words, "--sizes").value_or("");
  line.calibration = LastOf(words, "--calibration").value_or(line.calibration);
  line.is_strict_calibration = words.counts.at("--strict-calibration") > 0;
  ASSIGN_OR_RETURN(line.write_file, FileOf(words, "--write"));
  ASSIGN_OR_RETURN(line.profile_file, FileOf(words, "--profile"));
  line.takes_busy = words.counts.at("--takes-busy") > 0;
  line.trace_facts = words.values.at("--assume");
  line.families = LastOf(words, "--families").value_or("");
  ASSIGN_OR_RETURN(line.budget, TimeOf(words, "--budget"));
  line.server = LastOf(words, "--server").value_or("");
  line.listen = LastOf(words, "--listen").value_or(line.listen);
  for (const std::string& folder : words.values.at("--allow-path")) {
    if (!std::filesystem::is_directory(folder)) {
      return InvalidArgument("--allow-path needs a directory: " + folder);
    }
    line.allowed_paths.emplace_back(folder);
  }
  for (const std::string& folder : words.values.at("--configs")) {
    if (!std::filesystem::is_directory(folder)) {
      return InvalidArgument("--configs needs a directory: " + folder);
    }
    line.configs.emplace_back(folder);
  }
  line.is_quiet = words.counts.at("--quiet") > 0;
  line.verbosity = words.counts.at("--verbose");
  line.is_dry_run = words.counts.at("--dry-run") > 0;
  line.wants_help = words.counts.at("--help") > 0 && !is_overview;
  RETURN_IF_ERROR(FillNumbers(words, line));
  RETURN_IF_ERROR(FillChoices(words, line));
  if (!line.wants_help) {
    RETURN_IF_ERROR(CheckArgumentCount(*command, line.arguments.size()));
  }
  return line;
}

}  // namespace ridgeline::cli

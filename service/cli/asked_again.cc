#include "service/cli/asked_again.h"

#include <fmt/format.h>

#include "service/calibrations/calibration_source.h"
#include "service/cli/shell_word.h"

namespace ridgeline::cli {

std::string AskedAgain(const CommandLine& line, const std::string& command) {
  std::string question = "ridgeline " + command;
  for (const std::string& argument : line.arguments) {
    question += " " + ShellWord(argument);
  }
  const auto add_all = [&question](std::string_view flag, const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      question += fmt::format(" {} {}", flag, ShellWord(value));
    }
  };
  add_all("--set", line.overrides);
  for (const std::filesystem::path& folder : line.configs) {
    question += " --configs " + ShellWord(folder.string());
  }
  if (line.calibration != calibrations::kAuto) {
    add_all("--calibration", {line.calibration});
  }
  if (line.is_strict_calibration) {
    question += " --strict-calibration";
  }
  if (line.seed) {
    question += fmt::format(" --seed {}", *line.seed);
  }
  if (command == line.command) {
    add_all("--target", line.targets);
    if (line.minimize) {
      add_all("--minimize", {*line.minimize});
    }
    add_all("--vary", line.vary);
    if (line.is_one_at_a_time) {
      question += " --one-at-a-time";
    }
  }
  return question;
}

std::string AskedAgain(const CommandLine& line) { return AskedAgain(line, line.command); }

}  // namespace ridgeline::cli

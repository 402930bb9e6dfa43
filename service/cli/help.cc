#include "service/cli/help.h"

#include <fmt/format.h>

#include "service/report/table.h"

namespace ridgeline::cli {
namespace {

std::string FlagLines(const CommandInfo* command) {
  std::string text;
  for (const FlagInfo& flag : Flags()) {
    if (!flag.is_built || (command != nullptr && !Takes(*command, flag))) {
      continue;
    }
    const std::string letter = flag.letter == 0 ? "    " : fmt::format("-{}, ", flag.letter);
    const std::string value = flag.value.empty() ? "" : " " + std::string(flag.value);
    text += fmt::format("  {}{}  {}\n", letter, report::Pad(std::string(flag.name) + value, 18),
                        flag.meaning);
  }
  return text;
}

std::string Indented(std::string_view lines) {
  std::string text = "  ";
  for (const char c : lines) {
    text += c == '\n' ? "\n  " : std::string(1, c);
  }
  return text + "\n";
}

}  // namespace

std::string OverviewHelp() {
  std::string text =
      "ridgeline: how fast, how much memory, where the time goes - before anybody rents a GPU.\n\n"
      "usage: ridgeline COMMAND ... [flags]\n\ncommands\n";
  std::string not_built;
  for (const CommandInfo& command : Commands()) {
    if (command.is_built) {
      constexpr size_t kWidth = 28;
      const std::string usage = fmt::format("{} {}", command.name, command.usage);
      // A usage that fills its column has its summary on the next line.
      text += usage.size() < kWidth
                  ? fmt::format("  {}{}\n", report::Pad(usage, kWidth), command.summary)
                  : fmt::format("  {}\n  {}{}\n", usage, report::Pad("", kWidth), command.summary);
    } else {
      not_built += (not_built.empty() ? "" : ", ") + std::string(command.name);
    }
  }
  text += "\nflags, the same everywhere\n" + FlagLines(nullptr);
  text += "\nfor example\n";
  text += Indented(
      "ridgeline simulate llama-3.1-8b-8xh100\nridgeline list gpus\nridgeline explain training");
  text += fmt::format("\nnot built yet: {}\n", not_built);
  text +=
      "exit codes: 0 done, 1 the answer is no, 2 mistake in what you wrote, 3 not measured\n"
      "            (--strict-calibration), 4 deadline, 5 not built yet, 70 a bug of ours, 130 "
      "interrupted\n";
  return text;
}

std::string CommandHelp(const CommandInfo& command) {
  std::string text =
      fmt::format("{}\n\nusage: ridgeline {} {}[flags]\n", command.summary, command.name,
                  command.usage.empty() ? "" : std::string(command.usage) + " ");
  if (!command.details.empty()) {
    text += fmt::format("\n{}\n", command.details);
  }
  text += "\nflags\n" + FlagLines(&command);
  text += "\nfor example\n" + Indented(command.example);
  return text;
}

}  // namespace ridgeline::cli

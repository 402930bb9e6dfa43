#include "service/cli/spelling.h"

#include <fmt/format.h>

#include "base/nearest_name.h"

namespace ridgeline::cli {
namespace {

const FlagInfo* FindLetter(char letter) {
  for (const FlagInfo& flag : Flags()) {
    if (flag.letter == letter && letter != 0) {
      return &flag;
    }
  }
  return nullptr;
}

/// The flag that a word such as "--set", "--set=a=b", "-o", "-ojson" or "-qv" begins with; nullptr
/// when it is no known flag.
const FlagInfo* FlagOf(const std::string& word) {
  if (word.starts_with("--")) {
    return FindFlag(word.substr(0, word.find('=')));
  }
  return word.size() > 1 && word[0] == '-' ? FindLetter(word[1]) : nullptr;
}

/// Whether the flag's value is the next word rather than the rest of this one.
bool ValueFollows(const FlagInfo& flag, const std::string& word) {
  if (flag.value.empty()) {
    return false;
  }
  return word.starts_with("--") ? word.find('=') == std::string::npos : word.size() == 2;
}

Status CheckFlag(const CommandInfo& command, const std::string& word) {
  const std::string name =
      word.starts_with("--") ? word.substr(0, word.find('=')) : word.substr(0, 2);
  const FlagInfo* flag = FlagOf(word);
  if (flag == nullptr) {
    std::vector<std::string> known;
    for (const FlagInfo& candidate : Flags()) {
      if (candidate.is_built && Takes(command, candidate)) {
        known.emplace_back(candidate.name);
      }
    }
    return InvalidArgument(fmt::format("unknown flag: {}", name), SuggestName(name, known));
  }
  if (!flag->is_built) {
    return Unimplemented(fmt::format("not built yet: {}", flag->name),
                         fmt::format("ridgeline {} --help lists what works", command.name));
  }
  if (!Takes(command, *flag)) {
    return InvalidArgument(fmt::format("{} takes no {}", command.name, flag->name),
                           fmt::format("{} belongs to: {}", flag->name, flag->commands));
  }
  return {};
}

}  // namespace

Result<const CommandInfo*> NamedCommand(const std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--version") {
      return FindCommand("version");
    }
    if (word.size() > 1 && word[0] == '-') {
      const FlagInfo* flag = FlagOf(word);
      if (flag == nullptr) {
        RETURN_IF_ERROR(CheckFlag(*FindCommand("simulate"), word));
      } else if (ValueFollows(*flag, word)) {
        ++i;
      }
      continue;
    }
    const CommandInfo* command = FindCommand(word);
    if (command == nullptr) {
      std::vector<std::string> known;
      for (const CommandInfo& candidate : Commands()) {
        known.emplace_back(candidate.name);
      }
      return InvalidArgument(fmt::format("unknown command: {}", word), SuggestName(word, known));
    }
    if (!command->is_built) {
      return Unimplemented(fmt::format("not built yet: {}", command->name),
                           "ridgeline help lists what works");
    }
    return command;
  }
  return FindCommand("help");
}

Status CheckFlags(const CommandInfo& command, const std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    const std::string& word = arguments[i];
    if (word.size() < 2 || word[0] != '-') {
      continue;
    }
    RETURN_IF_ERROR(CheckFlag(command, word));
    if (ValueFollows(*FlagOf(word), word)) {
      ++i;
    }
  }
  return {};
}

}  // namespace ridgeline::cli

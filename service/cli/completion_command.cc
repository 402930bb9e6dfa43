#include <fmt/format.h>

#include "base/nearest_name.h"
#include "service/cli/command_table.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"

namespace ridgeline::cli {
namespace {

std::string BuiltCommands() {
  std::string names;
  for (const CommandInfo& command : Commands()) {
    if (command.is_built) {
      names += (names.empty() ? "" : " ") + std::string(command.name);
    }
  }
  return names;
}

std::string BuiltFlags() {
  std::string names;
  for (const FlagInfo& flag : Flags()) {
    if (flag.is_built) {
      names += (names.empty() ? "" : " ") + std::string(flag.name);
    }
  }
  return names;
}

// First word: a command. Then flags after '-', formats after -o, names that the program lists,
// files.
std::string BashScript() {
  return fmt::format(
      R"sh(# bash completion of ridgeline; load with: source <(ridgeline completion bash)
_ridgeline() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local kinds="gpus nodes fabrics clusters models frameworks engines scenarios plans suites traces calibrations"
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "{0}" -- "$word"))
  elif [[ $before == -o || $before == --output ]]; then
    COMPREPLY=($(compgen -W "table wide json jsonl csv md dot svg" -- "$word"))
  elif [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "{1}" -- "$word"))
  elif [[ ${{COMP_WORDS[1]}} == list || ( ${{COMP_WORDS[1]}} == describe && $COMP_CWORD -eq 2 ) ]]; then
    COMPREPLY=($(compgen -W "$kinds" -- "$word"))
  elif [[ ${{COMP_WORDS[1]}} == describe ]]; then
    COMPREPLY=($(compgen -W "$(ridgeline list "${{COMP_WORDS[2]}}" -o csv 2>/dev/null | tail -n +2 | cut -d, -f1)" -- "$word"))
  elif [[ ${{COMP_WORDS[1]}} == completion ]]; then
    COMPREPLY=($(compgen -W "bash zsh fish" -- "$word"))
  elif [[ ${{COMP_WORDS[1]}} == help ]]; then
    COMPREPLY=($(compgen -W "{0}" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
    if [[ ${{COMP_WORDS[1]}} == simulate || ${{COMP_WORDS[1]}} == check ]]; then
      COMPREPLY+=($(compgen -W "$(ridgeline list scenarios -o csv 2>/dev/null | tail -n +2 | cut -d, -f1)" -- "$word"))
    fi
  fi
}}
complete -o filenames -F _ridgeline ridgeline
)sh",
      BuiltCommands(), BuiltFlags());
}

std::string ZshScript() {
  std::string commands;
  for (const CommandInfo& command : Commands()) {
    if (command.is_built) {
      std::string summary;
      for (const char c : command.summary) {
        summary += c == '\'' ? "" : c == ':' ? "\\:" : std::string(1, c);
      }
      commands += fmt::format("    '{}:{}'\n", command.name, summary);
    }
  }
  return fmt::format(R"sh(#compdef ridgeline
# zsh completion of ridgeline; load with: source <(ridgeline completion zsh)
_ridgeline() {{
  local -a commands flags
  commands=(
{})
  flags=({})
  if (( CURRENT == 2 )); then
    _describe command commands
  elif [[ $words[CURRENT] == -* ]]; then
    compadd -a flags
  elif [[ $words[2] == (list|describe) && $CURRENT -eq 3 ]]; then
    compadd gpus nodes fabrics clusters models frameworks engines scenarios plans suites traces calibrations
  elif [[ $words[2] == describe ]]; then
    compadd $(ridgeline list $words[3] -o csv 2>/dev/null | tail -n +2 | cut -d, -f1)
  else
    _files
  fi
}}
compdef _ridgeline ridgeline
)sh",
                     commands, BuiltFlags());
}

std::string FishScript() {
  std::string text =
      "# fish completion of ridgeline; load with: ridgeline completion fish | source\n";
  for (const CommandInfo& command : Commands()) {
    if (command.is_built) {
      text += fmt::format("complete -c ridgeline -n __fish_use_subcommand -a {} -d \"{}\"\n",
                          command.name, command.summary);
    }
  }
  for (const FlagInfo& flag : Flags()) {
    if (flag.is_built) {
      text += fmt::format("complete -c ridgeline -l {}{}{} -d \"{}\"\n", flag.name.substr(2),
                          flag.letter == 0 ? "" : fmt::format(" -s {}", flag.letter),
                          flag.value.empty() ? "" : " -r", flag.meaning);
    }
  }
  return text +
         "complete -c ridgeline -n \"__fish_seen_subcommand_from list describe\" -a \"gpus nodes "
         "fabrics "
         "clusters models frameworks engines scenarios plans suites traces calibrations\"\n";
}

}  // namespace

Result<int> Completion(Session& session) {
  const std::string& shell = session.line.arguments.front();
  if (shell == "bash") {
    session.out = BashScript();
  } else if (shell == "zsh") {
    session.out = ZshScript();
  } else if (shell == "fish") {
    session.out = FishScript();
  } else {
    const std::vector<std::string> shells = {"bash", "zsh", "fish"};
    return InvalidArgument("unknown shell: " + shell, SuggestName(shell, shells));
  }
  return kExitDone;
}

}  // namespace ridgeline::cli

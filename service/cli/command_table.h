/// Every command and every flag, once: parsing, `--help`, completion and "did you mean" all read
/// these two tables.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ridgeline::cli {

struct CommandInfo {
  std::string_view name;
  std::string_view usage = {};    // what follows the name: "SCENARIO..."
  std::string_view summary;       // one line
  std::string_view details = {};  // what --help says beyond that; may be empty
  std::string_view example = {};  // commands that run as they stand, one a line
  bool is_built = true;
  int min_arguments = 0;
  int max_arguments = 0;  // -1: any number
};

struct FlagInfo {
  std::string_view name;        // "--output"
  char letter = 0;              // 'o'; 0: none
  std::string_view value = {};  // "FORMAT"; empty: the flag takes none
  std::string_view meaning;
  std::string_view commands = {};  // blank-separated names that it belongs to; empty: all
  bool is_repeatable = false;
  bool is_built = true;
};

std::span<const CommandInfo> Commands();
std::span<const FlagInfo> Flags();

/// nullptr when there is none of that name.
const CommandInfo* FindCommand(std::string_view name);
const FlagInfo* FindFlag(std::string_view name);
bool Takes(const CommandInfo& command, const FlagInfo& flag);

}  // namespace ridgeline::cli

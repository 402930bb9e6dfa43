/// The look at a command line before it is parsed: names that exist, names that are planned, and
/// slips. CLI11 would report only "not expected".
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "service/cli/command_table.h"

namespace ridgeline::cli {

/// The command that the arguments name (the first that is no flag), or why there is none.
/// `help` when there are no arguments, or only --help; `version` for --version.
Result<const CommandInfo*> NamedCommand(const std::vector<std::string>& arguments);

/// Every long flag exists, is built and belongs to the command; every short one exists.
Status CheckFlags(const CommandInfo& command, const std::vector<std::string>& arguments);

}  // namespace ridgeline::cli

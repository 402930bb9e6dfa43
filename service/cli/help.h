/// What `help` and `--help` print, made from command_table.h.
#pragma once

#include <string>

#include "service/cli/command_table.h"

namespace ridgeline::cli {

std::string OverviewHelp();
std::string CommandHelp(const CommandInfo& command);

}  // namespace ridgeline::cli

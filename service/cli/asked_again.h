/// The question as it was asked, to be asked again with a change: what closing remarks suggest.
#pragma once

#include <string>

#include "service/cli/command_line.h"

namespace ridgeline::cli {

/// "ridgeline simulate FILE --set ... --seed 7": the scenario and all that changes the answer, but
/// nothing of how it was shown. `command` replaces the line's own; targets, objective and --vary
/// follow where the command takes them.
std::string AskedAgain(const CommandLine& line, const std::string& command);
std::string AskedAgain(const CommandLine& line);

}  // namespace ridgeline::cli

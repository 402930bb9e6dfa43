/// From argv to exit code: parse, run the command, write its answer, render its errors.
#pragma once

#include <string>
#include <vector>

namespace ridgeline::cli {

/// `arguments` without the program's name. Never throws.
int RunProgram(const std::vector<std::string>& arguments);

}  // namespace ridgeline::cli

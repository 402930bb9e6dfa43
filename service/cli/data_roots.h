/// Where named things (GPUs, models, scenarios ...) are looked for.
#pragma once

#include <filesystem>
#include <vector>

namespace ridgeline::cli {

/// In order: the user's own (--configs), share/ridgeline beside the installed program, the source
/// tree that the program was built from. Only those that exist.
std::vector<std::filesystem::path> DataRoots(const std::vector<std::filesystem::path>& own);

}  // namespace ridgeline::cli

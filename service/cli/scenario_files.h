/// From what the user names to scenario files: paths, names under configs/scenarios, "-".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/document.h"
#include "base/result.h"
#include "hardware/catalog.h"
#include "service/cli/command_line.h"
#include "service/report/simulation_result.h"

namespace ridgeline::cli {

/// Each argument as a readable path: itself when it is "-", exists or looks like a path, else the
/// shipped scenario of that name. Unknown names are answered with the nearest.
Result<std::vector<std::string>> ScenarioPaths(const std::vector<std::string>& arguments,
                                               const hardware::Catalog& catalog);

/// Names and hashes of what was read, in the order given. `document` is the merged scenario, whose
/// nodes still know the text that they came from (standard input can be read only once).
std::vector<report::Input> HashInputs(const std::vector<std::string>& arguments,
                                      const std::vector<std::string>& paths, const Node& document);

/// What a command that takes scenarios was asked: its files, merged, with --set and --seed laid
/// over.
struct Question {
  Node document;
  std::vector<report::Input> inputs;
  uint64_t seed = 1;  // the scenario's; 1 as well when it cannot be read, which resolving then says
};
Result<Question> ReadQuestion(const CommandLine& line, const hardware::Catalog& catalog);

}  // namespace ridgeline::cli

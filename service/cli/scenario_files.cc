#include "service/cli/scenario_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/nearest_name.h"
#include "base/sha256.h"
#include "base/units_text.h"
#include "sim/scenario.h"

namespace ridgeline::cli {
namespace {

/// The text that a part of `node` was read from, when the document's name is `name`.
const std::string* FindSource(const Node& node, const std::string& name) {
  if (node.where.source != nullptr && node.where.source->name == name &&
      !node.where.source->text.empty()) {
    return &node.where.source->text;
  }
  for (const Node::Entry& entry : node.entries) {
    if (const std::string* found = FindSource(entry.value, name)) {
      return found;
    }
  }
  for (const Node& item : node.items) {
    if (const std::string* found = FindSource(item, name)) {
      return found;
    }
  }
  return nullptr;
}

}  // namespace

Result<std::vector<std::string>> ScenarioPaths(const std::vector<std::string>& arguments,
                                               const hardware::Catalog& catalog) {
  std::vector<std::string> paths;
  if (std::count(arguments.begin(), arguments.end(), "-") > 1) {
    return tl::unexpected(Error{.code = ErrorCode::kInvalidArgument,
                                .message = "standard input can be read once: - is given twice"});
  }
  for (const std::string& argument : arguments) {
    std::error_code error;
    const bool looks_like_path = argument.find('/') != std::string::npos ||
                                 argument.ends_with(".yaml") || argument.ends_with(".yml") ||
                                 argument.ends_with(".json");
    if (argument == "-" || looks_like_path ||
        std::filesystem::exists(std::filesystem::symlink_status(argument, error))) {
      paths.push_back(argument);
      continue;
    }
    Result<std::filesystem::path> found = catalog.Find("scenarios", argument);
    if (!found) {
      found = catalog.Find("plans", argument);
    }
    if (!found) {
      std::vector<std::string> names = catalog.Names("scenarios");
      std::ranges::move(catalog.Names("plans"), std::back_inserter(names));
      return NotFound("unknown scenario: " + argument, SuggestName(argument, names));
    }
    paths.push_back(found->string());
  }
  return paths;
}

std::vector<report::Input> HashInputs(const std::vector<std::string>& arguments,
                                      const std::vector<std::string>& paths, const Node& document) {
  std::vector<report::Input> inputs;
  for (size_t i = 0; i < paths.size(); ++i) {
    std::string hash;
    if (const std::string* text = FindSource(document, paths[i])) {
      hash = Sha256(*text);
    } else if (paths[i] != "-") {
      // Nothing of this file survived the merge.
      std::ifstream file(paths[i], std::ios::binary);
      hash = Sha256(std::string(std::istreambuf_iterator<char>(file), {}));
    }
    inputs.push_back({.name = arguments[i], .sha256 = hash});
  }
  return inputs;
}

Result<Question> ReadQuestion(const CommandLine& line, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const std::vector<std::string> paths, ScenarioPaths(line.arguments, catalog));
  ASSIGN_OR_RETURN(Node document, sim::ReadScenarioFiles(paths, line.overrides));
  std::vector<report::Input> inputs = HashInputs(line.arguments, paths, document);
  if (line.seed) {
    RETURN_IF_ERROR(SetPath(document, "seed", std::to_string(*line.seed), "--seed"));
  }
  uint64_t seed = 1;
  if (const Node* written = document.Find("seed"); written != nullptr && written->is_scalar()) {
    seed = static_cast<uint64_t>(ParseInteger(written->scalar).value_or(1));
  }
  return Question{.document = std::move(document), .inputs = std::move(inputs), .seed = seed};
}

}  // namespace ridgeline::cli

/// Models as files. Which file a name stands for is hardware::Catalog's business (configs/models);
/// here a file or a part of a document becomes a Model, and aliases a table.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/document.h"
#include "base/result.h"
#include "workloads/model.h"

namespace ridgeline::workloads {

/// A config.json, or the same in YAML. `name` is what the model is called in results.
Result<Model> ReadModelFile(const std::filesystem::path& path, std::string name);
/// The same, inline in a document.
Result<Model> ReadModelNode(const Node& node, std::string name);

/// `alias: name` pairs (configs/models/aliases.yaml). An absent file is no aliases.
Result<std::map<std::string, std::string>> ReadAliases(const std::filesystem::path& path);

}  // namespace ridgeline::workloads

/// The resolved document as a flat table, for the report's settings.
#pragma once

#include <map>
#include <string>

#include "base/document.h"

namespace ridgeline::sim {

/// "training.parallelism.tp" -> "4"; list items as "a.b[0]". Null is written "null".
std::map<std::string, std::string> FlattenSettings(const Node& document);

}  // namespace ridgeline::sim

/// The kinds of named things, as `list`, `describe` and `check` call them.
#pragma once

#include <string>
#include <string_view>

#include "base/document.h"
#include "base/result.h"

namespace ridgeline::cli {

enum class Kind {
  kGpu,
  kNode,
  kFabric,
  kCluster,
  kModel,
  kFramework,
  kEngine,
  kScenario,
  kPlan,
  kSuite,
  kTrace,
  kCalibration,
  kLibrary
};

struct KindInfo {
  Kind kind = Kind::kGpu;
  std::string_view singular;  // "gpu"
  std::string_view plural;    // "gpus"
  std::string_view folder;    // under configs/
  std::string_view a_name;    // "a GPU"
};

/// By either number, "gpu" or "gpus"; did-you-mean otherwise.
Result<const KindInfo*> FindKind(const std::string& name);

/// What a document is, judged by its keys: the kind that knows most of them, or owns one that no
/// other has (`training`, `model_type`, `cases`). nullptr when no key is known.
const KindInfo* KindOfDocument(const Node& document);

}  // namespace ridgeline::cli

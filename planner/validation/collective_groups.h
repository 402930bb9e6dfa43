/// Which lines a table of folds of collectives has: of each fold, what it was fitted to apart from
/// what it held out; of what it held out, each kind and each number of GPUs, up to 4 MiB and above.
#pragma once

#include <string>
#include <vector>

#include "planner/validation/collective_measurements.h"
#include "planner/validation/validation_report.h"

namespace ridgeline::validation {

/// "<= 4 MiB" or "> 4 MiB", the kind, "n GPUs" (one node), who measured, how.
std::vector<std::string> CollectiveTags(const MeasuredCollective& measured);

/// Peers' figures, which they report of themselves, stand last.
std::vector<Group> CollectiveGroups(const SuiteOutcome& suite,
                                    const std::vector<CollectivePeer>& peers);

}  // namespace ridgeline::validation

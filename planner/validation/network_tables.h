/// The two tables of `validate network`: the three fidelities side by side, and what was measured
/// of collectives that share a link against what flows make of them.
#pragma once

#include <string>

#include "planner/validation/validation_report.h"
#include "planner/validation/validation_text.h"

namespace ridgeline::validation {

/// Of a suite with rows of either kind. Ends in a newline.
std::string NetworkTables(const SuiteOutcome& suite, TextStyle style);

}  // namespace ridgeline::validation

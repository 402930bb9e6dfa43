/// What `simulate --dry-run` prints: the resolved scenario as YAML that simulates to the same
/// answer, and for every value where it came from.
#pragma once

#include <string>

#include "service/report/table.h"
#include "sim/scenario.h"

namespace ridgeline::cli {

std::string ResolvedText(const sim::Scenario& scenario, report::OutputFormat format);

}  // namespace ridgeline::cli

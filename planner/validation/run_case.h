/// One case through the simulator's front door: predicted from its configuration alone.
#pragma once

#include <vector>

#include "base/stop.h"
#include "hardware/catalog.h"
#include "planner/validation/suite.h"
#include "planner/validation/validation_report.h"

namespace ridgeline::validation {

struct CaseRun {
  std::vector<CaseOutcome> outcomes = {};     // one a measured metric, in order; or one skip
  std::vector<sim::Assumption> factors = {};  // that the prediction read, each once
  bool is_cut_off = false;                    // `stop` asked before the end: no outcomes
};

/// Reads nothing but its arguments and files of the catalog: cases run on many threads at once.
CaseRun RunCase(const Case& one, const Suite& suite, const hardware::Catalog& catalog,
                const Stop& stop);

/// What stands for a case that is not scored.
CaseOutcome SkippedCase(const Case& one, SkipKind kind, std::string reason);

/// Adds those that are not known yet, in order.
void AddFactors(const std::vector<sim::Assumption>& read, std::vector<sim::Assumption>& factors);

}  // namespace ridgeline::validation

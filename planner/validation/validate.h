/// What the command `validate` does: finds suites by name or path, predicts every case through the
/// simulator's front door from its configuration alone, and scores.
#pragma once

#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "base/stop.h"
#include "hardware/catalog.h"
#include "planner/validation/suite.h"
#include "planner/validation/validation_report.h"

namespace ridgeline::validation {

/// Shipped suites: the stems of *.yaml and *.csv in validation/ under the catalog's roots, sorted.
std::vector<std::string> ShippedSuites(const hardware::Catalog& catalog);

struct ValidateOptions {
  Half half = Half::kAll;
  int jobs = 1;  // threads; changes no answer
  Stop stop = {};
  Progress* progress = nullptr;  // may be null
};

/// `names`: shipped suites, or paths (with a '/' or an extension .yaml, .yml, .json, .csv); empty:
/// all shipped ones (with a half, those that have halves). A suite that cannot be read, or lacks
/// the halves that were asked for, is an error and nothing runs; a case that cannot be simulated is
/// listed with its reason. When `stop` asks, what was finished is returned, marked partial.
Result<ValidationReport> Validate(const std::vector<std::string>& names,
                                  const hardware::Catalog& catalog, const ValidateOptions& options);

}  // namespace ridgeline::validation

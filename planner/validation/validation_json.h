/// The report of `validate` as JSON: DESIGN 9's shape.
///
///     {"schema": "ridgeline.validation/1", "suites": [{"name", "source",
///       "cases": [{"id", "metric", "measured", "predicted", "low", "high", "evidence", "error",
///                  "within_tolerance", "tags", "assumed"} or {"id", "skipped": reason, "kind"}],
///       "mape", "median_error", "p90_error", "bias", "worst": {"id", "error"}, "skill",
///       "coverage", "median_half_width", "constant_mfu", "mape_constant", "oom", "groups",
///       "skipped", "assumed"}], "factors": [{"what", "value", "source"}], "within_tolerance"}
///
/// Errors are ratios (0.05 is 5 %); what cannot be computed is null. Values are in base units for
/// metrics of the report and as published for published rows.
#pragma once

#include <string>

#include "planner/validation/validation_report.h"

namespace ridgeline::validation {

/// Pretty-printed, keys in the order above, a newline at the end. Deterministic.
std::string WriteValidationJson(const ValidationReport& report);
/// One object a case, a line each, with its suite.
std::string WriteValidationJsonLines(const ValidationReport& report);

}  // namespace ridgeline::validation

/// A measured value of a suite in YAML: text with the unit of its metric.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/document.h"
#include "base/result.h"

namespace ridgeline::validation {

/// Metrics that a measurement may have besides `time.*` and `memory.*` by cause: those of reports
/// (DESIGN 9), and `oom`.
std::vector<std::string> MeasurableMetrics();
bool IsMeasurable(std::string_view metric);

/// The value in the metric's base unit: "250 ms" 0.25, "45 GiB" 48318382080, "38 %" 0.38,
/// "12000 tokens/s" 12000; `oom` is 1 or 0. Errors: NotFound for a metric that nobody knows (with
/// the nearest), kInvalidArgument for a value without its unit, of another unit, not positive.
Result<double> ParseMeasured(const std::string& metric, const Node& written);

}  // namespace ridgeline::validation

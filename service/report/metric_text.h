/// A metric's value as people write it: "17.8 s", "42.1 %", "471 k tokens/s", "71.3 GB".
#pragma once

#include <string>
#include <string_view>

#include "sim/report.h"

namespace ridgeline::report {

/// Three significant digits, the prefix chosen to fit. A unit that is unknown here follows the
/// number as it is.
std::string ValueText(double value, std::string_view unit);
/// As ValueText, and ratios (mfu, hfu) as percentages.
std::string MetricText(const sim::Metric& metric, double value);
/// A share of 1 as "42.1 %".
std::string PercentText(double share);
/// "16.9 s to 18.7 s"; empty when the range is the value itself.
std::string RangeText(const sim::Metric& metric);
/// Shortest text that reads back to the same double: for machines.
std::string ExactNumber(double value);

}  // namespace ridgeline::report

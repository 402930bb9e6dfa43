#include "service/report/metric_text.h"

#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/grouped_number.h"
#include "base/units_text.h"

namespace ridgeline::report {
namespace {

/// Three significant digits with a decimal prefix: "471 k", "1.25 M", "0.5".
std::string Prefixed(double value) {
  constexpr std::array<std::string_view, 5> kPrefixes = {"", " k", " M", " G", " T"};
  size_t prefix = 0;
  double scaled = value;
  // 999.5 would be printed as 1000: it belongs to the next prefix.
  while (std::abs(scaled) >= 999.5 && prefix + 1 < kPrefixes.size()) {
    scaled /= 1000;
    ++prefix;
  }
  return fmt::format("{:.3g}{}", scaled, kPrefixes[prefix]);
}

bool IsRatio(const sim::Metric& metric) {
  return metric.unit == "1" && (metric.name == "mfu" || metric.name == "hfu");
}

}  // namespace

std::string ValueText(double value, std::string_view unit) {
  if (unit == "s") {
    return Format(Seconds::FromBase(value));
  }
  if (unit == "B") {
    return Format(Bytes::FromBase(value));
  }
  if (unit == "B/s") {
    return Format(BytesPerSecond::FromBase(value));
  }
  if (unit == "FLOP/s") {
    return Format(FlopsPerSecond::FromBase(value));
  }
  if (unit == "FLOP") {
    return Format(Flops::FromBase(value));
  }
  if (unit == "W") {
    return Format(Watts::FromBase(value));
  }
  if (unit == "J") {
    return Format(Joules::FromBase(value));
  }
  if (unit == "1" || unit.empty()) {
    return value == std::round(value) && std::abs(value) < 1e6 ? Grouped(std::llround(value))
                                                               : Prefixed(value);
  }
  const std::string number = Prefixed(value);
  return fmt::format("{} {}", number, unit);
}

std::string PercentText(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string MetricText(const sim::Metric& metric, double value) {
  return IsRatio(metric) ? PercentText(value) : ValueText(value, metric.unit);
}

std::string RangeText(const sim::Metric& metric) {
  if (metric.low == metric.value && metric.high == metric.value) {
    return {};
  }
  return fmt::format("{} to {}", MetricText(metric, metric.low), MetricText(metric, metric.high));
}

std::string ExactNumber(double value) { return fmt::format("{}", value); }

}  // namespace ridgeline::report

#include "sim/target.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "base/units_text.h"

namespace ridgeline::sim {
namespace {

enum class Dimension { kTime, kBytes, kFlopsPerSecond, kRatio, kNumber };

struct MetricFamily {
  std::string_view name;
  Dimension dimension = Dimension::kNumber;
  bool is_floor = false;  // more is better
  bool has_statistics = false;
  bool is_of_answers = false;  // of serving: missing where nothing was answered
  std::string_view unit = {};  // that a plain number may carry
};

constexpr std::array<MetricFamily, 20> kFamilies = {{
    {"ttft", Dimension::kTime, false, true, true},
    {"tpot", Dimension::kTime, false, true, true},
    {"itl", Dimension::kTime, false, true, true},
    {"e2el", Dimension::kTime, false, true, true},
    {"step_time", Dimension::kTime},
    {"pass_time", Dimension::kTime},
    {"makespan", Dimension::kTime, false, false, true},
    {"memory.peak", Dimension::kBytes},
    {"memory.allocated", Dimension::kBytes},
    {"mfu", Dimension::kRatio, true},
    {"hfu", Dimension::kRatio, true},
    {"model_flops_per_gpu", Dimension::kFlopsPerSecond, true},
    {"tokens_per_second", Dimension::kNumber, true, false, false, "tokens/s"},
    {"tokens_per_second_per_gpu", Dimension::kNumber, true, false, false, "tokens/s"},
    {"request_throughput", Dimension::kNumber, true, false, true, "req/s"},
    {"output_throughput", Dimension::kNumber, true, false, true, "tokens/s"},
    {"total_token_throughput", Dimension::kNumber, true, false, true, "tokens/s"},
    {"kv_cache.blocks", Dimension::kNumber, true},
    {"preemptions", Dimension::kNumber, false, false, true},
    {"gpus", Dimension::kNumber},
}};
constexpr std::array<std::string_view, 4> kStatistics = {"mean", "p50", "p90", "p99"};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  return text;
}

std::vector<std::string> MetricNames() {
  std::vector<std::string> names;
  for (const MetricFamily& family : kFamilies) {
    if (!family.has_statistics) {
      names.emplace_back(family.name);
    } else {
      for (const std::string_view statistic : kStatistics) {
        names.push_back(fmt::format("{}.{}", family.name, statistic));
      }
    }
  }
  return names;
}

Result<const MetricFamily*> FamilyOf(std::string_view metric) {
  const std::vector<std::string> names = MetricNames();
  if (std::find(names.begin(), names.end(), metric) != names.end()) {
    for (const MetricFamily& family : kFamilies) {
      if (metric == family.name || (family.has_statistics && metric.starts_with(family.name) &&
                                    metric.substr(family.name.size()).starts_with('.'))) {
        return &family;
      }
    }
  }
  return InvalidArgument(fmt::format("unknown metric of a target: {}", metric),
                         SuggestName(std::string(metric), names));
}

template <class Q>
Result<double> BaseValue(std::string_view text) {
  ASSIGN_OR_RETURN(const Q value, ParseQuantity<Q>(text));
  return value.base();
}

/// A ratio may be a percentage.
Result<double> PlainNumber(std::string_view text) {
  const bool is_percent = text.ends_with('%');
  const std::string digits(Trim(is_percent ? text.substr(0, text.size() - 1) : text));
  size_t used = 0;
  double value = 0;
  try {
    value = std::stod(digits, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == 0 || used != digits.size() || value - value != 0) {
    return InvalidArgument(fmt::format("expected a number: {}", text), "for example 1000");
  }
  return is_percent ? value / 100 : value;
}

Result<double> ValueOf(const MetricFamily& family, std::string_view text) {
  switch (family.dimension) {
    case Dimension::kTime:
      return BaseValue<Seconds>(text);
    case Dimension::kBytes:
      return BaseValue<Bytes>(text);
    case Dimension::kFlopsPerSecond:
      return BaseValue<FlopsPerSecond>(text);
    case Dimension::kRatio:
    case Dimension::kNumber:
      break;
  }
  if (!family.unit.empty() && text.ends_with(family.unit)) {
    text.remove_suffix(family.unit.size());
  }
  return PlainNumber(Trim(text));
}

Result<Target> MakeTarget(const MetricFamily& family, std::string_view metric, bool is_upper_bound,
                          std::string_view value) {
  Result<double> number = ValueOf(family, value);
  if (!number) {
    Error error = std::move(number).error();
    error.message = fmt::format("target {}: {}", metric, error.message);
    return tl::unexpected(std::move(error));
  }
  return Target{.metric = std::string(metric),
                .is_upper_bound = is_upper_bound,
                .value = *number,
                .written = fmt::format("{}{}{}", metric, is_upper_bound ? "<=" : ">=", value)};
}

}  // namespace

Result<Target> ParseTarget(std::string_view text) {
  for (const bool is_upper_bound : {true, false}) {
    const size_t at = text.find(is_upper_bound ? "<=" : ">=");
    if (at != std::string_view::npos) {
      const std::string_view metric = Trim(text.substr(0, at));
      ASSIGN_OR_RETURN(const MetricFamily* const family, FamilyOf(metric));
      return MakeTarget(*family, metric, is_upper_bound, Trim(text.substr(at + 2)));
    }
  }
  return InvalidArgument(fmt::format("a target is METRIC<=VALUE or METRIC>=VALUE: {}", text),
                         "for example 'ttft.p99<=2 s'");
}

Result<Target> ParseTarget(std::string_view metric, std::string_view value) {
  ASSIGN_OR_RETURN(const MetricFamily* const family, FamilyOf(metric));
  value = Trim(value);
  if (value.starts_with("<=") || value.starts_with(">=")) {
    return MakeTarget(*family, metric, value.starts_with("<="), Trim(value.substr(2)));
  }
  return MakeTarget(*family, metric, !family->is_floor, value);
}

Result<bool> Meets(const Report& report, const Target& target) {
  const Metric* metric = report.Find(target.metric);
  if (metric == nullptr && report.kind == ReportKind::kServing) {
    ASSIGN_OR_RETURN(const MetricFamily* const family, FamilyOf(target.metric));
    if (family->is_of_answers) {
      return false;
    }
  }
  if (metric == nullptr) {
    std::vector<std::string> names;
    for (const Metric& present : report.metrics) {
      names.push_back(present.name);
    }
    return InvalidArgument(fmt::format("this scenario has no metric {}", target.metric),
                           SuggestName(target.metric, names));
  }
  return target.is_upper_bound ? metric->value <= target.value : metric->value >= target.value;
}

}  // namespace ridgeline::sim

#include "service/report/simulation_result.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <nlohmann/json.hpp>

#include "service/report/metric_text.h"

namespace ridgeline::report {

bool IsFeasible(const SimulationResult& result) {
  const sim::Metric* const completed = result.report.Find("requests.completed");
  const bool is_answered = completed == nullptr || completed->value > 0;
  return result.report.fits && is_answered && AllMet(result.targets);
}

std::string Render(const SimulationResult& result, OutputFormat format) {
  switch (format) {
    case OutputFormat::kTable:
      return RenderText(result, false);
    case OutputFormat::kWide:
      return RenderText(result, true);
    case OutputFormat::kJson:
      return RenderJson(result);
    case OutputFormat::kMarkdown:
      return RenderMarkdown(result);
    case OutputFormat::kCsv:
      return RenderTable(MetricsTable(result.report), format);
    case OutputFormat::kJsonl: {
      std::string text;
      for (const sim::Metric& metric : result.report.metrics) {
        const nlohmann::ordered_json line = {
            {"name", metric.name}, {"value", metric.value},
            {"unit", metric.unit}, {"low", metric.low},
            {"high", metric.high}, {"evidence", EvidenceName(metric.evidence)}};
        text += line.dump() + "\n";
      }
      return text;
    }
  }
  return {};
}

Table MetricsTable(const sim::Report& report) {
  Table table{.columns = {{"name"},
                          {"value", Align::kRight},
                          {"unit"},
                          {"low", Align::kRight},
                          {"high", Align::kRight},
                          {"evidence"}},
              .rows = {}};
  for (const sim::Metric& metric : report.metrics) {
    table.rows.push_back({metric.name, ExactNumber(metric.value), metric.unit,
                          ExactNumber(metric.low), ExactNumber(metric.high),
                          std::string(EvidenceName(metric.evidence))});
  }
  return table;
}

std::vector<double> PercentagesAddingTo100(const std::vector<double>& parts) {
  const double sum = std::accumulate(parts.begin(), parts.end(), 0.0);
  std::vector<double> percentages(parts.size(), 0.0);
  if (!(sum > 0)) {
    return percentages;
  }
  std::vector<int> tenths(parts.size());
  std::vector<size_t> order(parts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  int missing = 1000;
  for (size_t i = 0; i < parts.size(); ++i) {
    tenths[i] = static_cast<int>(std::floor(1000 * parts[i] / sum));
    missing -= tenths[i];
  }
  // The tenths that rounding down left over go to those that lost most by it.
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return 1000 * parts[a] / sum - tenths[a] > 1000 * parts[b] / sum - tenths[b];
  });
  for (size_t i = 0; i < order.size() && missing > 0; ++i, --missing) {
    ++tenths[order[i]];
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    percentages[i] = tenths[i] / 10.0;
  }
  return percentages;
}

}  // namespace ridgeline::report

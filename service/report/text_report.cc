/// The answer on a terminal: the answer first, then the table, then where it goes, then how to get
/// more.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "base/units_text.h"
#include "service/report/metric_text.h"
#include "service/report/simulation_result.h"

namespace ridgeline::report {
namespace {

std::string Breakdown(std::string_view heading, const std::vector<sim::Share>& shares,
                      std::string_view unit) {
  if (shares.empty()) {
    return {};
  }
  std::vector<double> values;
  size_t title_width = 0;
  double largest = 0;
  for (const sim::Share& share : shares) {
    values.push_back(share.value);
    title_width = std::max(title_width, DisplayWidth(share.title));
    largest = std::max(largest, share.value);
  }
  const std::vector<double> percentages = PercentagesAddingTo100(values);
  constexpr int kBarWidth = 28;
  std::string text = fmt::format("\n{}\n", heading);
  for (size_t i = 0; i < shares.size(); ++i) {
    if (shares[i].value == 0) {
      continue;  // json lists it; a reader need not
    }
    const double of_largest = largest > 0 ? shares[i].value / largest : 0;
    text += fmt::format("  {}  {}  {}  {:5.1f} %\n", Pad(shares[i].title, title_width),
                        Pad(Bar(of_largest, kBarWidth), kBarWidth),
                        Pad(ValueText(shares[i].value, unit), 9, Align::kRight), percentages[i]);
  }
  return text;
}

Table Metrics(const sim::Report& report, bool is_wide) {
  Table table{.columns = {{"metric"}, {"value", Align::kRight}, {"range"}, {"evidence"}},
              .rows = {}};
  for (const sim::Metric& metric : report.metrics) {
    // The breakdowns below show the parts; the whole is the row above them.
    const bool is_part = metric.name.starts_with("time.") ||
                         (metric.name.starts_with("memory.") && metric.name != "memory.peak" &&
                          metric.name != "memory.allocated");
    if (is_wide || !is_part) {
      table.rows.push_back({metric.name, MetricText(metric, metric.value), RangeText(metric),
                            std::string(EvidenceName(metric.evidence))});
    }
  }
  return table;
}

/// One line: how the time is known and what it leans on.
std::string Trust(const sim::Report& report) {
  const sim::Metric* step = report.Find("step_time");
  if (step == nullptr) {
    return {};
  }
  std::string text = fmt::format("\ntrust   step time is {}", EvidenceName(step->evidence));
  if (step->value > 0 && step->high > step->low) {
    text += fmt::format(", {:+.0f} to {:+.0f} %", 100 * (step->low / step->value - 1),
                        100 * (step->high / step->value - 1));
  }
  const auto is_default = [](const sim::Assumption& assumption) {
    return assumption.source == "default";
  };
  const auto defaults =
      std::count_if(report.assumptions.begin(), report.assumptions.end(), is_default);
  const auto cited = static_cast<std::ptrdiff_t>(report.assumptions.size()) - defaults;
  if (cited + defaults > 0) {
    text += fmt::format(
        ";\n        leans on {} cited figures and {} defaults: -o wide lists each with its source",
        cited, defaults);
  }
  return text + "\n";
}

std::string Assumptions(const sim::Report& report) {
  if (report.assumptions.empty()) {
    return {};
  }
  Table table{.columns = {{"what it leans on"}, {"value"}, {"source"}}, .rows = {}};
  for (const sim::Assumption& assumption : report.assumptions) {
    table.rows.push_back({assumption.what, assumption.value, assumption.source});
  }
  return "\n" + RenderTable(table, OutputFormat::kTable);
}

}  // namespace

std::string RenderText(const SimulationResult& result, bool is_wide) {
  const sim::Report& report = result.report;
  std::string text = fmt::format("{}\n{}\n", report.title, Headline(result));
  if (!report.fits) {
    text += "does not fit in memory: the times below are those it would have\n";
  }
  text += "\n" + RenderTable(Metrics(report, is_wide), OutputFormat::kTable);
  text += Breakdown("where a step goes", report.time, "s");
  text += Breakdown("memory of the fullest GPU", report.memory, "B");
  text += Trust(report);
  if (is_wide) {
    text += Assumptions(report);
    text += "\nsettings\n";
    for (const auto& [path, value] : report.settings) {
      text += fmt::format("  {} = {}\n", path, value);
    }
  }
  if (!report.warnings.empty()) {
    text += "\n";
  }
  for (const Error& warning : report.warnings) {
    text += RenderDiagnostic(Severity::kWarning, warning);
  }
  return text;
}

}  // namespace ridgeline::report

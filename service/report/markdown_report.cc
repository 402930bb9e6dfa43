/// The answer as a page: a heading, the metrics, the breakdown.
#include <fmt/format.h>

#include "base/evidence.h"
#include "service/report/metric_text.h"
#include "service/report/report_words.h"
#include "service/report/simulation_result.h"

namespace ridgeline::report {
namespace {

std::string BreakdownTable(std::string_view heading, const std::vector<sim::Share>& shares,
                           std::string_view unit) {
  if (shares.empty()) {
    return {};
  }
  std::vector<double> values;
  for (const sim::Share& share : shares) {
    values.push_back(share.value);
  }
  const std::vector<double> percentages = PercentagesAddingTo100(values);
  Table table{
      .columns = {{std::string(heading)}, {"value", Align::kRight}, {"share", Align::kRight}},
      .rows = {}};
  for (size_t i = 0; i < shares.size(); ++i) {
    table.rows.push_back({shares[i].title, ValueText(shares[i].value, unit),
                          fmt::format("{:.1f} %", percentages[i])});
  }
  return "\n" + RenderTable(table, OutputFormat::kMarkdown);
}

}  // namespace

std::string RenderMarkdown(const SimulationResult& result) {
  const sim::Report& report = result.report;
  std::string text = fmt::format("## {}\n\n**{}**\n\n", report.title, Headline(report));
  if (!report.fits) {
    text += "Does not fit in memory.\n\n";
  }
  Table metrics{.columns = {{"metric"}, {"value", Align::kRight}, {"range"}, {"evidence"}},
                .rows = {}};
  for (const sim::Metric& metric : report.metrics) {
    metrics.rows.push_back({metric.name, MetricText(metric, metric.value), RangeText(metric),
                            std::string(EvidenceName(metric.evidence))});
  }
  text += RenderTable(metrics, OutputFormat::kMarkdown);
  if (!result.targets.empty()) {
    Table targets{.columns = {{"target"}, {"is", Align::kRight}, {""}}, .rows = {}};
    for (const TargetOutcome& outcome : result.targets) {
      targets.rows.push_back(
          {outcome.target.written, MeasuredText(outcome), outcome.is_met ? "met" : "missed"});
    }
    text += "\n" + RenderTable(targets, OutputFormat::kMarkdown);
  }
  text += BreakdownTable(TimeHeading(report.kind), report.time, "s");
  text += BreakdownTable(MemoryHeading(report.kind), report.memory, "B");
  for (const Error& warning : report.warnings) {
    text += fmt::format("\n> warning: {} {}\n", warning.message, warning.hint);
  }
  return text;
}

}  // namespace ridgeline::report

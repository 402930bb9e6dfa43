/// The answer on a terminal: the answer first, then the table, then where it goes, then how to get
/// more.
#include <algorithm>

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "service/report/metric_text.h"
#include "service/report/report_words.h"
#include "service/report/simulation_result.h"

namespace ridgeline::report {
namespace {

constexpr std::string_view kStatistics[] = {"mean", "p50", "p90", "p99"};

/// "ttft" of "ttft.p99"; empty for what is no statistic of a latency.
std::string_view LatencyOf(std::string_view name) {
  for (const std::string_view statistic : kStatistics) {
    if (name.ends_with(statistic) && name.size() > statistic.size() + 1 &&
        name[name.size() - statistic.size() - 1] == '.') {
      return name.substr(0, name.size() - statistic.size() - 1);
    }
  }
  return {};
}

/// One row a latency, one column a statistic: as people compare them.
std::string Latencies(const sim::Report& report) {
  Table table{.columns = {{"latency"}}, .rows = {}};
  for (const std::string_view statistic : kStatistics) {
    table.columns.push_back({std::string(statistic), Align::kRight});
  }
  for (const std::string_view name : {"ttft", "tpot", "itl", "e2el"}) {
    std::vector<std::string> row = {std::string(name)};
    for (const std::string_view statistic : kStatistics) {
      row.push_back(MetricCell(report, fmt::format("{}.{}", name, statistic)));
    }
    table.rows.push_back(std::move(row));
  }
  return "\n" + RenderTable(table, OutputFormat::kTable);
}

constexpr std::string_view kItem = "item.";

/// One row an item of traffic, in the order of the scenario.
std::string Items(const sim::Report& report) {
  Table table{.columns = {{"item"},
                          {"begins", Align::kRight},
                          {"takes", Align::kRight},
                          {"alone", Align::kRight},
                          {"slowdown", Align::kRight},
                          {"bus bandwidth", Align::kRight},
                          {"limited by"}},
              .rows = {}};
  for (const sim::Metric& metric : report.metrics) {
    if (!metric.name.starts_with(kItem) || !metric.name.ends_with(".begin")) {
      continue;
    }
    const std::string item = metric.name.substr(0, metric.name.rfind('.'));
    const std::string name = item.substr(kItem.size());
    std::vector<std::string> row = {name};
    for (const std::string_view part : {"begin", "time", "alone", "slowdown", "bus_bandwidth"}) {
      row.push_back(MetricCell(report, fmt::format("{}.{}", item, part)));
    }
    const auto binds = std::find_if(
        report.assumptions.begin(), report.assumptions.end(),
        [&](const sim::Assumption& known) { return known.what == name + " is limited by"; });
    row.push_back(binds == report.assumptions.end() ? "-" : binds->value);
    table.rows.push_back(std::move(row));
  }
  return "\n" + RenderTable(table, OutputFormat::kTable);
}

std::string Targets(const std::vector<TargetOutcome>& targets) {
  if (targets.empty()) {
    return {};
  }
  Table table{.columns = {{"target"}, {"is", Align::kRight}, {""}}, .rows = {}};
  for (const TargetOutcome& outcome : targets) {
    table.rows.push_back(
        {outcome.target.written, MeasuredText(outcome), outcome.is_met ? "met" : "missed"});
  }
  return "\n" + RenderTable(table, OutputFormat::kTable);
}

Table Metrics(const sim::Report& report, bool is_wide) {
  Table table{.columns = {{"metric"}, {"value", Align::kRight}, {"range"}, {"evidence"}},
              .rows = {}};
  for (const sim::Metric& metric : report.metrics) {
    // The breakdowns below show the parts; the whole is the row above them.
    const bool is_part = metric.name.starts_with("time.") ||
                         metric.name.starts_with("critical_path.") ||
                         metric.name.starts_with("communication.") ||
                         (metric.name == "gpus" && report.kind == sim::ReportKind::kTraining) ||
                         (metric.name.starts_with("memory.") && metric.name != "memory.peak" &&
                          metric.name != "memory.allocated");
    const bool is_in_block =
        (report.kind == sim::ReportKind::kServing && !LatencyOf(metric.name).empty()) ||
        (report.kind == sim::ReportKind::kTraffic && metric.name.starts_with(kItem));
    if (is_wide || (!is_part && !is_in_block)) {
      table.rows.push_back({metric.name, MetricText(metric, metric.value), RangeText(metric),
                            std::string(EvidenceName(metric.evidence))});
    }
  }
  return table;
}

/// Which group of ranks talks how much, and what of it computation waits for.
std::string Communication(const sim::Report& report) {
  Table table{.columns = {{"communication"},
                          {"ranks", Align::kRight},
                          {"where"},
                          {"bytes", Align::kRight},
                          {"busy", Align::kRight},
                          {"exposed", Align::kRight},
                          {"hidden", Align::kRight}},
              .rows = {}};
  for (const sim::CommunicationUse& use : report.communication) {
    const double hidden = use.busy > 0 ? std::max(0.0, 1.0 - use.exposed / use.busy) : 0.0;
    table.rows.push_back({use.name, fmt::format("{}", use.ranks), use.where,
                          ValueText(use.bytes, "B"), ValueText(use.busy, "s"),
                          ValueText(use.exposed, "s"), PercentText(hidden)});
  }
  return table.rows.empty() ? "" : "\n" + RenderTable(table, OutputFormat::kTable);
}

/// What bounds each kind of operation; those below a thousandth of the time are left out.
std::string Operations(const sim::Report& report) {
  Table table{.columns = {{"operation"},
                          {"share", Align::kRight},
                          {"a step", Align::kRight},
                          {"bound by"},
                          {"FLOP/B", Align::kRight},
                          {"of its bound", Align::kRight}},
              .rows = {}};
  for (const sim::OperationPosition& operation : report.operations) {
    if (operation.share < 0.001) {
      break;
    }
    const bool is_network = operation.bound == "network";
    table.rows.push_back({operation.name, PercentText(operation.share),
                          ValueText(operation.seconds, "s"), std::string(operation.bound),
                          is_network ? "-" : fmt::format("{:.3g}", operation.intensity),
                          is_network ? "-" : PercentText(operation.of_bound)});
  }
  return table.rows.empty() ? "" : "\n" + RenderTable(table, OutputFormat::kTable);
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
  std::string text = fmt::format("{}\n{}\n", report.title, Headline(report));
  if (!report.fits) {
    text += report.Find(sim::HeadlineMetric(report.kind)) != nullptr
                ? "does not fit in memory: the times below are those it would have\n"
                : "does not fit in memory\n";
  }
  text += "\n" + RenderTable(Metrics(report, is_wide), OutputFormat::kTable);
  if (report.kind == sim::ReportKind::kServing && !is_wide) {
    text += Latencies(report);
  }
  if (report.kind == sim::ReportKind::kTraffic) {
    text += Items(report);
  }
  text += Targets(result.targets);
  text += Breakdown(TimeHeading(report.kind), report.time, "s");
  text += Breakdown(MemoryHeading(report.kind), report.memory, "B");
  text += Trust(report);
  if (is_wide) {
    text += Communication(report);
    text += Operations(report);
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

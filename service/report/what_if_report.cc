/// A what-if for people: the base, one row a variant, and what explains each difference.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "base/units_text.h"
#include "service/report/metric_text.h"
#include "service/report/report_words.h"
#include "service/report/what_if_result.h"

namespace ridgeline::report {
namespace {

/// "training.parallelism.tp = 4, training.micro_batch = 2".
std::string ChangesText(const planner::Variant& variant) {
  std::string text;
  for (const auto& [path, value] : variant.changes) {
    text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", path, value);
  }
  return text;
}

/// "+6.8 %"; empty where there is nothing to compare.
std::string PercentText(const sim::Report& base, const sim::Report& variant,
                        const std::string& name) {
  const sim::Metric* const before = base.Find(name);
  const sim::Metric* const after = variant.Find(name);
  if (before == nullptr || after == nullptr || !(before->value > 0)) {
    return "";
  }
  const double percent = 100 * (after->value / before->value - 1);
  // A change that rounds to nothing has no sign.
  return std::abs(percent) < 0.05 ? "0.0 %" : fmt::format("{:+.1f} %", percent);
}

/// The largest causes: "data parallel, exposed +1.08 s; pipeline bubble -0.2 s".
std::string CausesText(const planner::Variant& variant, size_t most) {
  std::string text;
  for (size_t i = 0; i < std::min(most, variant.explained_by.size()); ++i) {
    const planner::Difference& cause = variant.explained_by[i];
    text += fmt::format("{}{} {}{}", i == 0 ? "" : "; ", cause.title, cause.change < 0 ? "-" : "+",
                        Format(Seconds::FromBase(std::abs(cause.change))));
  }
  return text;
}

/// Four digits: small changes are what a what-if is about.
std::string TimeCell(const sim::Report& report, const std::string& name) {
  const sim::Metric* const metric = report.Find(name);
  return metric == nullptr ? "-" : Format(Seconds::FromBase(metric->value), 4);
}

std::string WhyNot(const planner::Variant& variant) {
  const Error error = variant.error.value_or(Error{});
  return error.hint.empty() ? error.message : fmt::format("{} ({})", error.message, error.hint);
}

/// For people; the causes are kept apart so that a wide cell stands last.
Table Variants(const planner::WhatIf& what_if, bool is_wide) {
  const std::vector<std::string> names = TableMetrics(what_if.base.kind, what_if.metric, {});
  Table table{.columns = {{""}}, .rows = {}};
  for (const std::string& name : names) {
    table.columns.push_back({name, Align::kRight});
    if (name == what_if.metric) {
      table.columns.push_back({"change", Align::kRight});
    }
  }
  table.columns.push_back({"explained by"});
  const auto add = [&](const std::string& title, const sim::Report* report, bool is_base,
                       const std::string& remark) {
    std::vector<std::string> row = {title};
    for (const std::string& name : names) {
      row.push_back(report == nullptr        ? "-"
                    : name == what_if.metric ? TimeCell(*report, name)
                                             : MetricCell(*report, name));
      if (name == what_if.metric) {
        row.push_back(report == nullptr || is_base ? "" : PercentText(what_if.base, *report, name));
      }
    }
    row.push_back(remark);
    table.rows.push_back(std::move(row));
  };
  add("base", &what_if.base, true, what_if.base.fits ? "" : "does not fit in memory");
  for (const planner::Variant& variant : what_if.variants) {
    if (!variant.report) {
      add(ChangesText(variant), nullptr, false, WhyNot(variant));
      continue;
    }
    const std::string causes = CausesText(variant, is_wide ? variant.explained_by.size() : 3);
    add(ChangesText(variant), &*variant.report, false,
        variant.report->fits ? causes
        : causes.empty()     ? "does not fit in memory"
                             : "does not fit in memory; " + causes);
  }
  return table;
}

/// From the base's time to the variant's, cause by cause, with what it is after each.
std::string Waterfall(const planner::WhatIf& what_if, const planner::Variant& variant) {
  const sim::Metric* const before = what_if.base.Find(what_if.metric);
  const sim::Metric* const after = variant.report ? variant.report->Find(what_if.metric) : nullptr;
  if (before == nullptr || after == nullptr || variant.explained_by.empty()) {
    return {};
  }
  Table table{.columns = {{fmt::format("base to {}", ChangesText(variant))},
                          {"change", Align::kRight},
                          {what_if.metric, Align::kRight}},
              .rows = {{"base", "", Format(Seconds::FromBase(before->value), 4)}}};
  double running = before->value;
  for (const planner::Difference& cause : variant.explained_by) {
    running += cause.change;
    table.rows.push_back({cause.title,
                          fmt::format("{}{}", cause.change < 0 ? "-" : "+",
                                      Format(Seconds::FromBase(std::abs(cause.change)), 4)),
                          Format(Seconds::FromBase(running), 4)});
  }
  table.rows.push_back({"variant", "", Format(Seconds::FromBase(after->value), 4)});
  return "\n" + RenderTable(table, OutputFormat::kTable);
}

std::string RenderMarkdown(const WhatIfResult& result) {
  const planner::WhatIf& what_if = result.what_if;
  return fmt::format("## {}\n\n**{}**\n\n{}", what_if.base.title, Headline(what_if.base),
                     RenderTable(Variants(what_if, false), OutputFormat::kMarkdown));
}

}  // namespace

std::string Render(const WhatIfResult& result, OutputFormat format) {
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
    case OutputFormat::kJsonl:
      return RenderTable(VariantsTable(result.what_if), format);
  }
  return {};
}

std::string RenderText(const WhatIfResult& result, bool is_wide) {
  const planner::WhatIf& what_if = result.what_if;
  std::string text =
      fmt::format("base  {}\n      {}\n\n", what_if.base.title, Headline(what_if.base));
  text += RenderTable(Variants(what_if, is_wide), OutputFormat::kTable);
  if (is_wide) {
    for (const planner::Variant& variant : what_if.variants) {
      text += Waterfall(what_if, variant);
    }
  }
  text += Breakdown(fmt::format("{}, in the base", TimeHeading(what_if.base.kind)),
                    what_if.base.time, "s");
  text += Trust(what_if.base);
  const size_t scenarios = what_if.variants.size() + 1;
  text += fmt::format("\n{} scenarios, all with seed {}\n", scenarios, result.seed);
  if (what_if.is_partial) {
    text += "stopped before the end: some variants did not run\n";
  }
  for (const Error& warning : what_if.base.warnings) {
    text += RenderDiagnostic(Severity::kWarning, warning);
  }
  return text;
}

Table VariantsTable(const planner::WhatIf& what_if) {
  const std::vector<std::string> names = TableMetrics(what_if.base.kind, what_if.metric, {});
  Table table{.columns = {{"variant"}}, .rows = {}};
  for (const std::string& name : names) {
    table.columns.push_back({name, Align::kRight});
  }
  table.columns.push_back({"difference", Align::kRight});
  table.columns.push_back({"fits"});
  table.columns.push_back({"explained_by"});
  table.columns.push_back({"error"});
  const sim::Metric* const before = what_if.base.Find(what_if.metric);
  const auto add = [&](std::string title, const sim::Report* report, std::string causes,
                       std::string error) {
    std::vector<std::string> row = {std::move(title)};
    for (const std::string& name : names) {
      row.push_back(report == nullptr ? "" : ExactCell(*report, name));
    }
    const sim::Metric* const after = report == nullptr ? nullptr : report->Find(what_if.metric);
    row.push_back(
        before == nullptr || after == nullptr ? "" : ExactNumber(after->value - before->value));
    row.push_back(report == nullptr ? "" : report->fits ? "1" : "0");
    row.push_back(std::move(causes));
    row.push_back(std::move(error));
    table.rows.push_back(std::move(row));
  };
  add("base", &what_if.base, "", "");
  for (const planner::Variant& variant : what_if.variants) {
    std::string causes;
    for (const planner::Difference& cause : variant.explained_by) {
      causes +=
          fmt::format("{}{}={}", causes.empty() ? "" : ";", cause.name, ExactNumber(cause.change));
    }
    add(ChangesText(variant), variant.report ? &*variant.report : nullptr, std::move(causes),
        variant.report ? "" : WhyNot(variant));
  }
  return table;
}

}  // namespace ridgeline::report

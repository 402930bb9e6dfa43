#include "planner/validation/validation_text.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "planner/validation/field_quantity.h"
#include "planner/validation/network_tables.h"
#include "planner/validation/text_table.h"

namespace ridgeline::validation {
namespace {

std::string Percent(const std::optional<double>& value, bool is_signed = false) {
  if (!value) {
    return "-";
  }
  return is_signed ? fmt::format("{:+.1f} %", 100.0 * *value)
                   : fmt::format("{:.1f} %", 100.0 * *value);
}

std::string Title(std::string_view text, TextStyle style) {
  return style == TextStyle::kMarkdown ? fmt::format("\n**{}**\n\n", text)
                                       : fmt::format("\n{}\n", text);
}

std::string WorstText(const Accuracy& a) {
  return a.worst ? fmt::format("{} ({})", a.worst->id, Percent(a.worst->error, true)) : "-";
}

std::string HalfWidthText(const Accuracy& a) {
  return a.median_half_width ? "+-" + Percent(a.median_half_width) : "-";
}

void AddAccuracyRow(const std::string& name, const Accuracy& a, TextTable& table) {
  table.Add({name, std::to_string(a.cases), std::to_string(a.scored), Percent(a.mape),
             Percent(a.median_error), Percent(a.p90_error), Percent(a.bias, true),
             a.skill ? fmt::format("{:.2f}", *a.skill) : "-",
             a.mape_constant ? fmt::format("{} at {:.0f} % MFU", Percent(a.mape_constant),
                                           100.0 * *a.constant_mfu)
                             : "-",
             Percent(a.coverage), HalfWidthText(a), WorstText(a)});
}

std::string AccuracyTable(const SuiteOutcome& suite, TextStyle style) {
  TextTable table({"group", "cases", "scored", "MAPE", "median", "p90", "bias", "skill",
                   "constant guess", "covered", "half width", "worst"},
                  1);
  AddAccuracyRow("all", suite.accuracy, table);
  for (const Group& group : suite.groups) {
    AddAccuracyRow(group.of.name, group.accuracy, table);
  }
  return table.Write(style);
}

/// Of suites by metric: no guess to compare with, and whether ranges are as wide as errors ask.
void AddMetricRow(const std::string& name, const Accuracy& a, TextTable& table) {
  table.Add({name, std::to_string(a.cases), std::to_string(a.scored), Percent(a.mape),
             Percent(a.median_error), Percent(a.p90_error), Percent(a.bias, true),
             Percent(a.coverage), HalfWidthText(a),
             a.width_over_error ? fmt::format("{:.1f}", *a.width_over_error) : "-", WorstText(a)});
}

std::string MetricTable(const SuiteOutcome& suite, TextStyle style) {
  TextTable table({"group", "cases", "scored", "MAPE", "median", "p90", "bias", "covered",
                   "half width", "width/error", "worst"},
                  1);
  AddMetricRow("all", suite.accuracy, table);
  for (const Group& group : suite.groups) {
    AddMetricRow(group.of.name, group.accuracy, table);
  }
  return table.Write(style);
}

std::string Difference(const PairOutcome& pair, double from, double to) {
  if (pair.verdict == PairVerdict::kNotJudged) {
    return "-";
  }
  return fmt::format("{:+.4g} ({:+.1f} %)", to - from, 100.0 * (to / from - 1.0));
}

std::string PairsText(const SuiteOutcome& suite, TextStyle style) {
  if (suite.pairs.empty()) {
    return {};
  }
  TextTable table({"from", "to", "what", "metric", "measured", "predicted", "verdict"}, 4);
  for (const PairOutcome& pair : suite.pairs) {
    table.Add({pair.pair.from, pair.pair.to, pair.pair.what, pair.pair.metric,
               Difference(pair, pair.measured_from, pair.measured_to),
               Difference(pair, pair.predicted_from, pair.predicted_to),
               pair.reason.empty()
                   ? std::string(VerdictName(pair.verdict))
                   : fmt::format("{}: {}", VerdictName(pair.verdict), pair.reason)});
  }
  TextTable counts({"differences", "pairs", "judged", "right sign", "within a third", "undecided"},
                   1);
  for (const PairCount& count : suite.pair_counts) {
    counts.Add({count.name, std::to_string(count.pairs), std::to_string(count.judged),
                std::to_string(count.right_sign), std::to_string(count.within_third),
                std::to_string(count.undecided)});
  }
  return Title("differences between two cases", style) + table.Write(style) + "\n" +
         counts.Write(style);
}

std::string Verdict(const CaseOutcome& c) {
  if (c.is_class) {
    return (c.measured > 0.0) == (c.predicted > 0.0) ? "hit" : "miss";
  }
  return Percent(c.SignedError(), true);
}

std::string CasesTable(const SuiteOutcome& suite, TextStyle style) {
  TextTable table({"case", "metric", "measured", "predicted", "error", "low", "high", "evidence"},
                  2);
  for (const CaseOutcome& c : suite.cases) {
    if (c.skip != SkipKind::kNone) {
      continue;
    }
    table.Add({c.id, c.metric, fmt::format("{:.4g}", c.measured),
               fmt::format("{:.4g}", c.predicted), Verdict(c), fmt::format("{:.4g}", c.low),
               fmt::format("{:.4g}", c.high), std::string(EvidenceName(c.evidence))});
  }
  return table.empty() ? std::string() : table.Write(style);
}

std::string ClaimsTable(const SuiteOutcome& suite, TextStyle style) {
  TextTable table({"claim", "expected", "computed", "difference", "within"}, 1);
  std::string corrections;
  for (const CaseOutcome& c : suite.cases) {
    const FieldQuantity* quantity = FindQuantity(c.metric);
    const QuantityUnit unit = quantity == nullptr ? QuantityUnit::kNone : quantity->unit;
    const bool is_skipped = c.skip != SkipKind::kNone;
    table.Add({c.claim, FormatInUnit(unit, c.measured),
               is_skipped ? c.reason : FormatInUnit(unit, c.predicted),
               is_skipped ? "-" : Percent(c.SignedError(), true),
               is_skipped ? "-" : (c.IsWithinTolerance() ? "yes" : "NO")});
    if (!c.correction.empty()) {
      corrections += fmt::format("{}{}: {}\n", style == TextStyle::kMarkdown ? "- " : "  ", c.id,
                                 c.correction);
    }
  }
  std::string text = table.Write(style);
  if (!corrections.empty()) {
    text += Title("where the popular figure is wrong", style) + corrections;
  }
  return text;
}

std::string SkippedTable(const SuiteOutcome& suite, TextStyle style) {
  TextTable table({"not simulated because", "cases"}, 1);
  for (const SkipCount& skip : suite.skipped) {
    table.Add({skip.reason, std::to_string(skip.cases)});
  }
  return table.empty() ? std::string() : Title("listed, not simulated", style) + table.Write(style);
}

std::string AssumedTable(const SuiteOutcome& suite, TextStyle style) {
  TextTable table({"assumed where the source does not say", "value", "cases"}, 2);
  for (const AssumedCount& one : suite.assumed) {
    table.Add({one.assumed.path, one.assumed.value, std::to_string(one.cases)});
  }
  return table.empty() ? std::string() : Title("assumed", style) + table.Write(style);
}

std::string FactorsTable(const ValidationReport& report, TextStyle style) {
  TextTable table({"factor read", "value", "source"}, 3);
  for (const sim::Assumption& factor : report.factors) {
    table.Add({factor.what, factor.value, factor.source});
  }
  return table.empty() ? std::string()
                       : Title("every factor below peak that these predictions read", style) +
                             table.Write(style);
}

std::string CasesCsv(const ValidationReport& report) {
  TextTable table({"suite", "id", "metric", "measured", "predicted", "low", "high", "error",
                   "evidence", "skipped"},
                  1);
  for (const SuiteOutcome& suite : report.suites) {
    for (const CaseOutcome& c : suite.cases) {
      const bool is_skipped = c.skip != SkipKind::kNone;
      const auto number = [is_skipped](double value) {
        return is_skipped ? std::string() : fmt::format("{}", value);
      };
      table.Add({suite.name, c.id, c.metric,
                 c.skip == SkipKind::kOtherHalf ? "" : fmt::format("{}", c.measured),
                 number(c.predicted), number(c.low), number(c.high),
                 c.is_class ? "" : number(is_skipped ? 0.0 : c.SignedError()),
                 is_skipped ? "" : std::string(EvidenceName(c.evidence)), c.reason});
    }
  }
  return table.Write(TextStyle::kCsv);
}

std::string SuiteText(const SuiteOutcome& suite, TextStyle style) {
  std::string text = style == TextStyle::kMarkdown
                         ? fmt::format("### {}\n\n{}\n\n", suite.name, suite.source)
                         : fmt::format("{}: {}\n\n", suite.name, suite.source);
  if (suite.is_formulas) {
    return text + ClaimsTable(suite, style);
  }
  if (!suite.agreement.empty() || !suite.sharing.empty()) {
    return text + NetworkTables(suite, style);
  }
  text += suite.is_by_metric ? MetricTable(suite, style) : AccuracyTable(suite, style);
  text +=
      "\nerrors are those of the metric as published; positive means predicted slower (or more) "
      "than measured\n";
  const Accuracy& a = suite.accuracy;
  if (a.oom_hits + a.oom_misses + a.oom_false_alarms > 0) {
    text += fmt::format("\nout of memory: {} hit, {} missed, {} false alarms\n", a.oom_hits,
                        a.oom_misses, a.oom_false_alarms);
  }
  const std::string cases = suite.lists_cases ? CasesTable(suite, style) : std::string();
  text += cases.empty() ? cases : "\n" + cases;
  text += PairsText(suite, style);
  text += SkippedTable(suite, style);
  text += AssumedTable(suite, style);
  const bool has_tolerance =
      std::any_of(suite.cases.begin(), suite.cases.end(),
                  [](const CaseOutcome& c) { return c.tolerance.has_value(); });
  if (has_tolerance) {
    text += fmt::format("\noutside the stated tolerance: {}\n", suite.CountOutsideTolerance());
  }
  return text;
}

}  // namespace

std::string WriteValidationText(const ValidationReport& report, TextStyle style) {
  if (style == TextStyle::kCsv) {
    return CasesCsv(report);
  }
  std::string text;
  for (const SuiteOutcome& suite : report.suites) {
    text += (text.empty() ? "" : "\n") + SuiteText(suite, style);
  }
  text += FactorsTable(report, style);
  if (report.is_partial) {
    text += "\npartial: stopped before the end\n";
  }
  return text;
}

Result<std::string> ReplaceReadmeBlock(std::string_view readme, std::string_view block) {
  const size_t begin = readme.find(kReadmeBegin);
  const size_t end = readme.find(kReadmeEnd);
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) {
    return InvalidArgument(
        "the marks of the block are missing",
        "write " + std::string(kReadmeBegin) + " and " + std::string(kReadmeEnd));
  }
  return fmt::format("{}{}\n{}{}", readme.substr(0, begin), kReadmeBegin, block,
                     readme.substr(end));
}

}  // namespace ridgeline::validation

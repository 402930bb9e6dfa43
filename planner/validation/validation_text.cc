#include "planner/validation/validation_text.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "planner/validation/field_quantity.h"
#include "planner/validation/score.h"

namespace ridgeline::validation {
namespace {

std::string Percent(const std::optional<double>& value, bool is_signed = false) {
  if (!value) {
    return "-";
  }
  return is_signed ? fmt::format("{:+.1f} %", 100.0 * *value)
                   : fmt::format("{:.1f} %", 100.0 * *value);
}

/// Columns of words; the first is set flush left, the others flush right unless said otherwise.
class TextTable {
 public:
  TextTable(std::vector<std::string> header, size_t left_columns)
      : header_(std::move(header)), left_columns_(left_columns) {}

  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }

  std::string Write(TextStyle style) const {
    if (style == TextStyle::kCsv) {
      return WriteCsv();
    }
    std::vector<size_t> widths;
    for (size_t column = 0; column < header_.size(); ++column) {
      size_t width = Width(header_[column]);
      for (const auto& row : rows_) {
        width = std::max(width, Width(row[column]));
      }
      widths.push_back(width);
    }
    const bool is_markdown = style == TextStyle::kMarkdown;
    std::string text = Line(header_, widths, is_markdown);
    if (is_markdown) {
      text += "|";
      for (size_t column = 0; column < header_.size(); ++column) {
        text += column < left_columns_ ? " --- |" : " ---: |";
      }
      text += "\n";
    }
    for (const auto& row : rows_) {
      text += Line(row, widths, is_markdown);
    }
    return text;
  }

 private:
  /// Characters, not bytes: names may hold any UTF-8.
  static size_t Width(const std::string& text) {
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    }));
  }

  std::string Line(const std::vector<std::string>& row, const std::vector<size_t>& widths,
                   bool is_markdown) const {
    std::string text = is_markdown ? "|" : "";
    for (size_t column = 0; column < row.size(); ++column) {
      if (is_markdown) {
        text += " " + Escaped(row[column]) + " |";
        continue;
      }
      const std::string padding(widths[column] - Width(row[column]), ' ');
      text += column == 0 ? "" : "  ";
      text += column < left_columns_ ? row[column] + padding : padding + row[column];
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
  }

  static std::string Escaped(const std::string& cell) {
    std::string text;
    for (const char c : cell) {
      text += c == '|' ? "\\|" : std::string(1, c);
    }
    return text;
  }

  std::string WriteCsv() const {
    std::string text = CsvLine(header_);
    for (const auto& row : rows_) {
      text += CsvLine(row);
    }
    return text;
  }

  static std::string CsvLine(const std::vector<std::string>& row) {
    std::string text;
    for (size_t column = 0; column < row.size(); ++column) {
      text += column == 0 ? "" : ",";
      if (row[column].find_first_of(",\"\n\r") == std::string::npos) {
        text += row[column];
        continue;
      }
      text += '"';
      for (const char c : row[column]) {
        text += c == '"' ? "\"\"" : std::string(1, c);
      }
      text += '"';
    }
    return text + "\n";
  }

  std::vector<std::string> header_;
  size_t left_columns_;
  std::vector<std::vector<std::string>> rows_;
};

std::string Title(std::string_view text, TextStyle style) {
  return style == TextStyle::kMarkdown ? fmt::format("\n**{}**\n\n", text)
                                       : fmt::format("\n{}\n", text);
}

void AddAccuracyRow(const std::string& name, const Accuracy& a, TextTable& table) {
  table.Add({name, std::to_string(a.cases), std::to_string(a.scored), Percent(a.mape),
             Percent(a.median_error), Percent(a.p90_error), Percent(a.bias, true),
             a.skill ? fmt::format("{:.2f}", *a.skill) : "-",
             a.mape_constant ? fmt::format("{} at {:.0f} % MFU", Percent(a.mape_constant),
                                           100.0 * *a.constant_mfu)
                             : "-",
             Percent(a.coverage), a.median_half_width ? "+-" + Percent(a.median_half_width) : "-",
             a.worst ? fmt::format("{} ({})", a.worst->id, Percent(a.worst->error, true)) : "-"});
}

std::string AccuracyTable(const SuiteOutcome& suite, TextStyle style) {
  TextTable table({"group", "cases", "scored", "MAPE", "median", "p90", "bias", "skill",
                   "constant guess", "covered", "half width", "worst"},
                  1);
  AddAccuracyRow("all", suite.accuracy, table);
  for (const Group& group : suite.groups) {
    AddAccuracyRow(group.name, group.accuracy, table);
  }
  return table.Write(style);
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
      table.Add({suite.name, c.id, c.metric, fmt::format("{}", c.measured), number(c.predicted),
                 number(c.low), number(c.high),
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
  text += AccuracyTable(suite, style);
  text +=
      "\nerrors are those of the metric as published; positive means predicted slower (or more) "
      "than measured\n";
  const Accuracy& a = suite.accuracy;
  if (a.oom_hits + a.oom_misses + a.oom_false_alarms > 0) {
    text += fmt::format("\nout of memory: {} hit, {} missed, {} false alarms\n", a.oom_hits,
                        a.oom_misses, a.oom_false_alarms);
  }
  const std::string cases = CasesTable(suite, style);
  text += cases.empty() ? cases : "\n" + cases;
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

bool IsInGroup(const CaseOutcome& c, std::string_view group) {
  const auto has = [&c](std::string_view tag) {
    return std::find(c.tags.begin(), c.tags.end(), tag) != c.tags.end();
  };
  const bool wants_core = group.starts_with("core");
  const bool wants_dense = group.ends_with("dense");
  const bool wants_mixture = group.ends_with("mixture of experts");
  if (group.starts_with("source ")) {
    return c.group == group.substr(7);
  }
  return (!wants_core || has("core")) && (!wants_dense || has("dense")) &&
         (!wants_mixture || has("moe"));
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

Result<ValidationReport> OnlyGroup(const ValidationReport& report, std::string_view group) {
  ValidationReport only{.factors = report.factors, .is_partial = report.is_partial};
  std::vector<std::string> names = {"core", "core dense", "core mixture of experts", "dense",
                                    "mixture of experts"};
  for (const SuiteOutcome& suite : report.suites) {
    for (const CaseOutcome& c : suite.cases) {
      if (!c.group.empty() &&
          std::find(names.begin(), names.end(), "source " + c.group) == names.end()) {
        names.push_back("source " + c.group);
      }
    }
  }
  const bool is_known = std::find(names.begin(), names.end(), group) != names.end();
  for (const SuiteOutcome& suite : report.suites) {
    SuiteOutcome kept{.name = fmt::format("{}, {}", suite.name, group), .source = suite.source};
    std::copy_if(suite.cases.begin(), suite.cases.end(), std::back_inserter(kept.cases),
                 [group](const CaseOutcome& c) { return IsInGroup(c, group); });
    if (is_known && !kept.cases.empty()) {
      Summarise(kept);
      only.suites.push_back(std::move(kept));
    }
  }
  if (only.suites.empty()) {
    return NotFound("no such group of cases: " + std::string(group), SuggestName(group, names));
  }
  return only;
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

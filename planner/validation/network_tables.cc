#include "planner/validation/network_tables.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/percentile.h"
#include "base/units_text.h"
#include "planner/validation/text_table.h"

namespace ridgeline::validation {
namespace {

std::string Signed(double difference) { return fmt::format("{:+.2f} %", 100.0 * difference); }

std::string TimeText(const std::optional<Seconds>& time) { return time ? Format(*time, 4) : "-"; }

std::string ExpectedText(const AgreementRow& row) {
  if (row.slowdown == 1.0 && !row.or_more) {
    return row.because.empty() ? "agree" : "agree: " + row.because;
  }
  return fmt::format("x {:.4g}{}: {}", row.slowdown, row.or_more ? " or more" : "", row.because);
}

/// Whether the case's outcome of that metric is outside its tolerance.
bool IsOutside(const SuiteOutcome& suite, const std::string& id) {
  return std::any_of(suite.cases.begin(), suite.cases.end(),
                     [&id](const CaseOutcome& c) { return c.id == id && !c.IsWithinTolerance(); });
}

std::string AgreementTable(const SuiteOutcome& suite, TextStyle style) {
  TextTable table({"case", "what", "expected of flow over closed form", "closed form", "flow",
                   "SimGrid", "flow : closed form", "flow : expected", "flow : SimGrid", "holds"},
                  3);
  std::map<std::string, int> reasons;
  for (const AgreementRow& row : suite.agreement) {
    table.Add({row.id, row.what, ExpectedText(row), Format(row.closed_form, 4), TimeText(row.flow),
               TimeText(row.simgrid),
               row.flow ? fmt::format("x {:.3f}", *row.flow / row.closed_form) : row.no_flow,
               row.flow ? Signed(row.FlowDifference()) : "-",
               row.flow && row.simgrid ? Signed(row.SimgridDifference()) : "-",
               IsOutside(suite, row.id) ? "NO" : "yes"});
    if (!row.simgrid) {
      ++reasons[fmt::format("{}: {}", row.id, row.no_simgrid)];
    }
  }
  std::string text = table.Write(style);
  if (!reasons.empty()) {
    text += "\nnot run by SimGrid\n\n";
    for (const auto& [reason, count] : reasons) {
      text += fmt::format("- {}\n", reason);
    }
  }
  return text;
}

/// "38 cases: worst 0.41 % (id)".
std::string WorstOf(const SuiteOutcome& suite, const std::string& metric) {
  const CaseOutcome* worst = nullptr;
  int64_t scored = 0;
  for (const CaseOutcome& c : suite.cases) {
    if (c.metric == metric && c.is_scored()) {
      ++scored;
      if (worst == nullptr || std::abs(c.SignedError()) > std::abs(worst->SignedError())) {
        worst = &c;
      }
    }
  }
  return worst == nullptr ? "none was compared"
                          : fmt::format("{} compared, worst {} ({})", scored,
                                        Signed(worst->SignedError()), worst->id);
}

std::string SharingText(const SuiteOutcome& suite, TextStyle style) {
  TextTable table({"at once", "of which", "bytes", "alone", "beside", "slowdown", "by flows: alone",
                   "beside", "slowdown", "error"},
                  2);
  std::vector<double> errors;
  for (const SharingRow& row : suite.sharing) {
    table.Add({row.beside, row.one, Format(row.bytes), Format(row.measured_alone, 4),
               Format(row.measured, 4), fmt::format("{:.2f}", row.measured_slowdown()),
               Format(row.predicted_alone, 4), Format(row.predicted, 4),
               fmt::format("{:.2f}", row.predicted_slowdown()), Signed(row.Difference())});
    errors.push_back(std::abs(row.Difference()));
  }
  std::string text =
      "\nmeasured beside others on two GPUs; nothing is fitted to it\n\n" + table.Write(style);
  text += fmt::format("\nerror of the slowdown: median {:.1f} %, worst {:.1f} %\n",
                      100.0 * ExactQuantile(errors, 0.5), 100.0 * ExactQuantile(errors, 1.0));
  for (const std::string& note : suite.notes) {
    text += "- " + note + "\n";
  }
  return text;
}

}  // namespace

std::string NetworkTables(const SuiteOutcome& suite, TextStyle style) {
  std::string text;
  if (!suite.agreement.empty()) {
    text += "times of bytes on the wire; latency and ramp are the closed form's in all three\n\n" +
            AgreementTable(suite, style);
    text +=
        fmt::format("\nflows against the closed form: {}\nflows against SimGrid: {}\n",
                    WorstOf(suite, "flow_over_closed_form"), WorstOf(suite, "flow_over_simgrid"));
    text += fmt::format("outside the stated tolerance: {}\n", suite.CountOutsideTolerance());
  }
  if (!suite.sharing.empty()) {
    text += SharingText(suite, style);
  }
  return text;
}

}  // namespace ridgeline::validation

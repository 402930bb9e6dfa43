#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "base/nearest_name.h"
#include "planner/validation/case_groups.h"
#include "planner/validation/validate.h"
#include "planner/validation/validation_json.h"
#include "planner/validation/validation_text.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"

namespace ridgeline::cli {
namespace {

std::string Render(const validation::ValidationReport& report, report::OutputFormat format) {
  using report::OutputFormat;
  switch (format) {
    case OutputFormat::kTable:
    case OutputFormat::kWide:
      return WriteValidationText(report, validation::TextStyle::kTable);
    case OutputFormat::kJson:
      return WriteValidationJson(report);
    case OutputFormat::kJsonl:
      return WriteValidationJsonLines(report);
    case OutputFormat::kCsv:
      return WriteValidationText(report, validation::TextStyle::kCsv);
    case OutputFormat::kMarkdown:
      return WriteValidationText(report, validation::TextStyle::kMarkdown);
  }
  return {};
}

/// Some case was left out because its costs were not measured: the reason is that error's.
bool HasUnmeasured(const validation::ValidationReport& report) {
  return std::ranges::any_of(report.suites, [](const validation::SuiteOutcome& suite) {
    return std::ranges::any_of(suite.cases, [](const validation::CaseOutcome& outcome) {
      return outcome.skip == validation::SkipKind::kError &&
             outcome.reason.find("no measurement of ") != std::string::npos;
    });
  });
}

Result<validation::Half> HalfOf(const std::string& written) {
  std::vector<std::string> names;
  for (const auto& [name, half] : EnumNames(Tag<validation::Half>{})) {
    if (name == written) {
      return half;
    }
    names.emplace_back(name);
  }
  return InvalidArgument("--half is all, fit or held-out: " + written, SuggestName(written, names));
}

}  // namespace

Result<int> Validate(Session& session) {
  const CommandLine& line = session.line;
  ASSIGN_OR_RETURN(const validation::Half half, HalfOf(line.half));
  const int processors = static_cast<int>(std::thread::hardware_concurrency());
  ASSIGN_OR_RETURN(validation::ValidationReport report,
                   validation::Validate(line.arguments, session.catalog,
                                        {.half = half,
                                         .jobs = line.jobs.value_or(std::max(1, processors)),
                                         .stop = session.stop,
                                         .progress = session.progress}));
  if (!line.group.empty()) {
    ASSIGN_OR_RETURN(report, OnlyGroup(report, line.group));
  }
  session.out = Render(report, line.output);
  if (report.is_partial) {
    // The answer so far is written; the exit code says why it ends there.
    RETURN_IF_ERROR(session.stop.Check());
  }
  if (line.is_strict_calibration && HasUnmeasured(report)) {
    return kExitNotMeasured;
  }
  return report.IsWithinTolerance() ? kExitDone : kExitAnswerIsNo;
}

}  // namespace ridgeline::cli

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

}  // namespace

Result<int> Validate(Session& session) {
  const CommandLine& line = session.line;
  ASSIGN_OR_RETURN(
      validation::ValidationReport report,
      validation::Validate(line.arguments, session.catalog, session.stop, session.progress));
  if (!line.group.empty()) {
    ASSIGN_OR_RETURN(report, OnlyGroup(report, line.group));
  }
  session.out = Render(report, line.output);
  if (report.is_partial) {
    // The answer so far is written; the exit code says why it ends there.
    RETURN_IF_ERROR(session.stop.Check());
  }
  return report.IsWithinTolerance() ? kExitDone : kExitAnswerIsNo;
}

}  // namespace ridgeline::cli

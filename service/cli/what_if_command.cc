#include <algorithm>

#include <fmt/format.h>

#include "planner/what_if.h"
#include "service/cli/asked_again.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"
#include "service/cli/scenario_files.h"
#include "service/report/what_if_result.h"
#include "sim/scenario.h"

namespace ridgeline::cli {
namespace {

/// What a reader is likely to want next: the variant with the best headline, in full.
std::string NextStep(const CommandLine& line, const planner::WhatIf& what_if) {
  const planner::Variant* best = nullptr;
  const sim::Metric* least = what_if.base.Find(what_if.metric);
  for (const planner::Variant& variant : what_if.variants) {
    if (!variant.report || !variant.report->fits) {
      continue;
    }
    const sim::Metric* const metric = variant.report->Find(what_if.metric);
    if (metric != nullptr && (least == nullptr || metric->value < least->value)) {
      best = &variant;
      least = metric;
    }
  }
  if (best == nullptr) {
    return "\nnext: " + AskedAgain(line, "simulate") + " -o wide";
  }
  CommandLine changed = line;
  for (const auto& [path, value] : best->changes) {
    changed.overrides.push_back(fmt::format("{}={}", path, value));
  }
  return "\nnext: " + AskedAgain(changed, "simulate");
}

}  // namespace

Result<int> WhatIf(Session& session) {
  const CommandLine& line = session.line;
  if (line.vary.empty()) {
    return InvalidArgument("whatif needs at least one --vary",
                           "for example --vary training.micro_batch=1,2,4");
  }
  std::vector<planner::Variation> variations;
  for (size_t i = 0; i < line.vary.size(); ++i) {
    ASSIGN_OR_RETURN(planner::Variation variation,
                     planner::ParseVariation(line.vary[i], fmt::format("--vary[{}]", i + 1)));
    variations.push_back(std::move(variation));
  }
  ASSIGN_OR_RETURN(const Question question, ReadQuestion(line, session.catalog));
  ASSIGN_OR_RETURN(planner::WhatIf what_if,
                   planner::CompareVariants(question.document, variations, session.catalog,
                                            {.stop = session.stop,
                                             .progress = session.progress,
                                             .jobs = line.jobs.value_or(1),
                                             .one_at_a_time = line.is_one_at_a_time}));
  const report::WhatIfResult result{
      .what_if = std::move(what_if), .seed = question.seed, .inputs = question.inputs};
  session.out = report::Render(result, line.output);
  if (result.what_if.is_partial) {
    // The variants so far are written; the exit code says why it ends there.
    RETURN_IF_ERROR(session.stop.Check());
  }
  if (line.output == report::OutputFormat::kTable || line.output == report::OutputFormat::kWide) {
    session.closing_note = NextStep(line, result.what_if);
  }
  for (const planner::Variant& variant : result.what_if.variants) {
    if (variant.error && ExitCodeOf(*variant.error) == kExitNotMeasured) {
      return kExitNotMeasured;
    }
  }
  return result.what_if.base.fits ? kExitDone : kExitAnswerIsNo;
}

}  // namespace ridgeline::cli

#include "service/report/target_outcome.h"

#include <algorithm>

namespace ridgeline::report {

Result<std::vector<TargetOutcome>> JudgeTargets(const sim::Report& report,
                                                const std::vector<sim::Target>& targets) {
  std::vector<TargetOutcome> outcomes;
  for (const sim::Target& target : targets) {
    ASSIGN_OR_RETURN(const bool is_met, sim::Meets(report, target));
    const sim::Metric* const metric = report.Find(target.metric);
    outcomes.push_back(
        {.target = target, .value = metric->value, .unit = metric->unit, .is_met = is_met});
  }
  return outcomes;
}

bool AllMet(const std::vector<TargetOutcome>& outcomes) {
  return std::all_of(outcomes.begin(), outcomes.end(),
                     [](const TargetOutcome& outcome) { return outcome.is_met; });
}

}  // namespace ridgeline::report

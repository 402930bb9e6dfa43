#include "service/report/target_outcome.h"

#include <algorithm>
#include <utility>

#include "service/report/metric_text.h"

namespace ridgeline::report {

Result<std::vector<TargetOutcome>> JudgeTargets(const sim::Report& report,
                                                const std::vector<sim::Target>& targets) {
  std::vector<TargetOutcome> outcomes;
  for (const sim::Target& target : targets) {
    ASSIGN_OR_RETURN(const bool is_met, sim::Meets(report, target));
    const sim::Metric* const metric = report.Find(target.metric);
    TargetOutcome outcome{.target = target, .value = std::nullopt, .unit = {}, .is_met = is_met};
    if (metric != nullptr) {
      outcome.value = metric->value;
      outcome.unit = metric->unit;
    }
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

std::string MeasuredText(const TargetOutcome& outcome) {
  return outcome.value ? ValueText(*outcome.value, outcome.unit) : "-";
}

bool AllMet(const std::vector<TargetOutcome>& outcomes) {
  return std::all_of(outcomes.begin(), outcomes.end(),
                     [](const TargetOutcome& outcome) { return outcome.is_met; });
}

}  // namespace ridgeline::report

/// Whether an answer keeps its targets: what `simulate` says of a scenario's `targets:` block and
/// `plan` of its candidates.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/report.h"
#include "sim/target.h"

namespace ridgeline::report {

struct TargetOutcome {
  sim::Target target;
  std::optional<double> value;  // of the metric, in its base unit; none: nothing was answered
  std::string unit;
  bool is_met = false;
};

/// One outcome a target, in their order. Errors: a target on a metric that the report lacks.
Result<std::vector<TargetOutcome>> JudgeTargets(const sim::Report& report,
                                                const std::vector<sim::Target>& targets);
/// "17.8 ms"; "-" where nothing was answered.
std::string MeasuredText(const TargetOutcome& outcome);
bool AllMet(const std::vector<TargetOutcome>& outcomes);

}  // namespace ridgeline::report

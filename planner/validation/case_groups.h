/// Which cases of a suite get a line of their own.
///
/// Published rows: core and its dense and mixture parts, dense, mixture, and "source X" for every
/// mapping. Suites whose metrics are a report's (SuiteOutcome::is_by_metric) tell metrics apart,
/// since 5 % of a time and 5 % of a memory say different things: each metric, each half and each
/// metric of each half ("step_time", "held-out", "held-out step_time"), then each metric of each
/// kind and tag ("compile step_time").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "planner/validation/validation_report.h"

namespace ridgeline::validation {

/// In the order of printing, each with cases, and not all of them (nor, of a kind, all that
/// measured its metric): that would say nothing new.
std::vector<Group> ScoreGroups(const SuiteOutcome& suite);

/// The same report of one group's cases only, of suites that have some: any group that ScoreGroups
/// prints, and a kind, a tag or a half alone. NotFound with the nearest name.
Result<ValidationReport> OnlyGroup(const ValidationReport& report, std::string_view group);

}  // namespace ridgeline::validation

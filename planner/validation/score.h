/// How good a set of predictions is.
///
/// MAPE, median, p90 and worst are over absolute relative errors, bias over signed ones
/// (validation_report.h says which way the sign points). Coverage is the share of measurements that
/// lie inside the stated ranges.
///
/// Skill compares with the cheapest guess there is: every job runs at one and the same MFU, so
/// time = causal model FLOPs / (GPUs x peak of the precision x MFU). The one constant is fitted to
/// the very cases that it is judged on, as the value that minimises its MAPE: the strongest
/// constant that exists. skill = 1 - MAPE / MAPE_constant: 0 is no better than the guess, 1 is
/// perfect. It is absent below two cases or when the guess is exact.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "planner/validation/validation_report.h"

namespace ridgeline::validation {

Accuracy Score(std::span<const CaseOutcome> cases);

/// A case of the constant-MFU fit: the MFU that would hit the measurement, and whether the metric
/// is a rate. For a rate the guess's relative error is |mfu / m - 1|, for a time |m / mfu - 1|.
struct ConstantMfuCase {
  double mfu = 0.0;
  bool is_rate = false;
};
struct ConstantMfuFit {
  double mfu = 0.0;
  double mape = 0.0;
};
/// The MFU that minimises the mean error. Exact: between two neighbouring cases' values the mean is
/// a·x + b/x + c, whose minimum is at an end or at sqrt(b/a). O(n^2). At least one case.
ConstantMfuFit FitConstantMfu(std::span<const ConstantMfuCase> cases);

/// Fills accuracy, groups (case_groups.h), skip counts, assumption counts and counts of pairs from
/// cases and pairs.
void Summarise(SuiteOutcome& suite);

}  // namespace ridgeline::validation

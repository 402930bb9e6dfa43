#include "planner/validation/run_case.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "planner/validation/prediction.h"
#include "sim/simulate.h"

namespace ridgeline::validation {
namespace {

/// The first line that a reader needs: messages of all errors, without places.
std::string ReasonOf(const Error& error) {
  std::string reason = error.path.empty() ? error.message : error.path + ": " + error.message;
  for (const Error& other : error.others) {
    reason += "; " + other.message;
  }
  return reason;
}

/// "suite.yaml:7:15: " when the mistake stands in the suite itself; the scenario of a table's row
/// is made by a mapping, and its place would lead nowhere.
std::string PlaceOf(const Case& one, const Error& error) {
  if (!error.where || error.where->source == nullptr || error.where->source != one.where.source) {
    return {};
  }
  return fmt::format("{}:{}:{}: ", error.where->source->name, error.where->line,
                     error.where->column);
}

/// UNIMPLEMENTED wherever it stands among the errors of a document: nothing the user can repair.
const Error* FindUnimplemented(const Error& error) {
  if (error.code == ErrorCode::kUnimplemented) {
    return &error;
  }
  for (const Error& other : error.others) {
    if (other.code == ErrorCode::kUnimplemented) {
      return &other;
    }
  }
  return nullptr;
}

/// Said once, whether or not the message says it.
std::string NotBuilt(const std::string& message) {
  constexpr std::string_view kNotBuilt = "not built yet: ";
  return message.starts_with(kNotBuilt) ? message : std::string(kNotBuilt) + message;
}

CaseOutcome SkippedFor(const Case& one, const Error& error) {
  if (const Error* unimplemented = FindUnimplemented(error)) {
    return SkippedCase(one, SkipKind::kUnimplemented, NotBuilt(unimplemented->message));
  }
  return SkippedCase(one, SkipKind::kError, "error: " + PlaceOf(one, error) + ReasonOf(error));
}

bool IsStopped(const Error& error) {
  return error.code == ErrorCode::kCancelled || error.code == ErrorCode::kDeadlineExceeded;
}

std::optional<double> ToleranceOf(const std::string& metric, const Suite& suite) {
  const auto found = suite.tolerance.find(metric);
  return found == suite.tolerance.end() ? std::nullopt : std::optional(found->second);
}

/// A case without a prediction; the tolerance is that of any metric that it leaves unchecked.
CaseOutcome Unpredicted(const Case& one, const Error& error, const Suite& suite) {
  CaseOutcome outcome = SkippedFor(one, error);
  for (const std::string& metric : one.metrics) {
    if (const std::optional<double> tolerance = ToleranceOf(metric, suite)) {
      outcome.tolerance = tolerance;
    }
  }
  return outcome;
}

CaseOutcome Compare(const Case& one, const Measurement& measurement, const Suite& suite,
                    const sim::Scenario& scenario, const sim::Report& report) {
  const Result<Prediction> prediction = PredictMetric(measurement, one.flops, scenario, report);
  if (!prediction) {
    CaseOutcome outcome = SkippedFor(one, prediction.error());
    outcome.metric = measurement.metric;
    outcome.measured = measurement.value;
    outcome.skipped_metrics = {measurement.metric};
    outcome.tolerance = ToleranceOf(measurement.metric, suite);
    return outcome;
  }
  CaseOutcome outcome{.id = one.id,
                      .group = one.group,
                      .metric = measurement.metric,
                      .measured = measurement.value,
                      .predicted = prediction->value,
                      .low = prediction->low,
                      .high = prediction->high,
                      .evidence = prediction->evidence,
                      .is_held_out = one.is_held_out,
                      .is_rate = IsRate(measurement.metric),
                      .is_class = measurement.metric == "oom",
                      .fits = report.fits,
                      .tolerance = ToleranceOf(measurement.metric, suite),
                      .assumed = one.assumed,
                      .tags = one.tags,
                      .measured_mfu = MeasuredMfu(measurement, one.flops, scenario)};
  for (const sim::FilledDefault& filled : scenario.defaults) {
    outcome.assumed.push_back({filled.path, filled.value});
  }
  return outcome;
}

}  // namespace

CaseOutcome SkippedCase(const Case& one, SkipKind kind, std::string reason) {
  return {.id = one.id,
          .group = one.group,
          .metric = one.metrics.empty() ? std::string() : one.metrics.front(),
          .measured = one.measured.empty() ? 0.0 : one.measured.front().value,
          .is_held_out = one.is_held_out,
          .assumed = one.assumed,
          .tags = one.tags,
          .skip = kind,
          .reason = std::move(reason),
          .skipped_metrics = one.metrics};
}

void AddFactors(const std::vector<sim::Assumption>& read, std::vector<sim::Assumption>& factors) {
  for (const sim::Assumption& one : read) {
    if (one.source == "default") {
      continue;  // listed among what each case assumed
    }
    const bool is_known =
        std::any_of(factors.begin(), factors.end(), [&one](const sim::Assumption& known) {
          return known.what == one.what && known.value == one.value && known.source == one.source;
        });
    if (!is_known) {
      factors.push_back(one);
    }
  }
}

CaseRun RunCase(const Case& one, const Suite& suite, const hardware::Catalog& catalog,
                const Stop& stop) {
  if (one.skip != SkipKind::kNone) {
    return {.outcomes = {SkippedCase(one, one.skip, one.reason)}};
  }
  if (one.measured.empty()) {
    return {.outcomes = {SkippedCase(one, SkipKind::kOtherHalf, "held out")}};
  }
  const Result<sim::Scenario> scenario = sim::ResolveScenario(one.scenario, catalog);
  if (!scenario) {
    return {.outcomes = {Unpredicted(one, scenario.error(), suite)}};
  }
  const Result<sim::Report> report = sim::Simulate(*scenario, {.stop = stop});
  if (!report && IsStopped(report.error())) {
    return {.is_cut_off = true};
  }
  if (!report) {
    return {.outcomes = {Unpredicted(one, report.error(), suite)}};
  }
  CaseRun run;
  AddFactors(report->assumptions, run.factors);
  for (const Measurement& measurement : one.measured) {
    run.outcomes.push_back(Compare(one, measurement, suite, *scenario, *report));
  }
  return run;
}

}  // namespace ridgeline::validation

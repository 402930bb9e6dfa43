#include "planner/validation/serving_logs.h"

#include <span>
#include <string>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/units_text.h"
#include "planner/validation/score.h"
#include "planner/validation/step_fit.h"

namespace ridgeline::validation {
namespace {

std::string TextOf(const StepConstants& constants) {
  return fmt::format("{} a step, {} a prompt token, {} a decoding sequence, {} a cached token",
                     Format(constants.step), Format(constants.token), Format(constants.sequence),
                     Format(constants.context));
}

CaseOutcome CaseOf(const ServingLogs& logs, const MeasuredServing& run, std::string metric,
                   Seconds measured, Seconds predicted, double residual) {
  CaseOutcome outcome{.id = run.title,
                      .group = logs.name,
                      .metric = std::move(metric),
                      .measured = measured.base(),
                      .predicted = predicted.base(),
                      .low = predicted.base() * (1 - residual),
                      .high = predicted.base() * (1 + residual),
                      .evidence = Evidence::kExtrapolated};
  if (const auto found = logs.tolerance.find(outcome.metric); found != logs.tolerance.end()) {
    outcome.tolerance = found->second;
  }
  return outcome;
}

CaseOutcome Skipped(const ServingLogs& logs, const MeasuredServing& run, std::string reason) {
  return {.id = run.title,
          .group = logs.name,
          .metric = "ttft.mean",
          .tolerance =
              logs.tolerance.empty() ? std::nullopt : std::optional(logs.tolerance.begin()->second),
          .skip = SkipKind::kError,
          .reason = "error: " + std::move(reason)};
}

Status Evaluate(const ServingLogs& logs, const MeasuredServing& run, const Stop& stop,
                SuiteOutcome& suite, std::vector<sim::Assumption>& factors) {
  if (run.measured.size() <= kFittedRequests) {
    return InvalidArgument(fmt::format("a log of at least {} requests is needed: {}",
                                       kFittedRequests + 1, run.measured.size()));
  }
  const std::span<const TokenTimes, kFittedRequests> seen =
      std::span(run.measured).first<kFittedRequests>();
  ASSIGN_OR_RETURN(const StepFit fit, FitStepCost(run.limits, run.load, seen, stop));
  ASSIGN_OR_RETURN(const ServingLogScore score,
                   ScoreServingLog(run, fit.constants, kFittedRequests, stop));
  for (const auto& [name, time, residual] :
       {std::tuple{"ttft", score.ttft, fit.ttft_residual},
        std::tuple{"e2el", score.completion, fit.completion_residual}}) {
    suite.cases.push_back(CaseOf(logs, run, fmt::format("{}.mean", name), time.measured_mean,
                                 time.simulated_mean, residual));
    suite.cases.push_back(CaseOf(logs, run, fmt::format("{}.p99", name), time.measured_p99,
                                 time.simulated_p99, residual));
  }
  factors.push_back(
      {.what = fmt::format("step time of {}", run.title),
       .value = TextOf(fit.constants),
       .source = fmt::format("fitted to requests 0-{} of the log, scored on {}-{}",
                             kFittedRequests - 1, kFittedRequests, run.measured.size() - 1)});
  return {};
}

}  // namespace

SuiteOutcome EvaluateServingLogs(const ServingLogs& logs, const Stop& stop,
                                 std::vector<sim::Assumption>& factors) {
  SuiteOutcome suite{.name = logs.name, .source = logs.source};
  for (const MeasuredServing& run : logs.runs) {
    const Status done = Evaluate(logs, run, stop, suite, factors);
    if (stop.IsRequested()) {
      break;  // what is not finished is not shown
    }
    if (!done) {
      suite.cases.push_back(Skipped(logs, run, done.error().message));
    }
  }
  Summarise(suite);
  return suite;
}

}  // namespace ridgeline::validation

/// Fits the four constants of a step to the first requests of a measured log, and scores the
/// scheduler on the others.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"
#include "planner/validation/fitted_step_cost.h"
#include "planner/validation/measured_serving.h"

namespace ridgeline::validation {

/// Requests whose times a fit may see; every other is held out.
inline constexpr size_t kFittedRequests = 100;

struct StepFit {
  StepConstants constants;
  /// Over the fitted requests: the sum of absolute errors over the sum of what was measured.
  double ttft_residual = 0;
  double completion_residual = 0;
};

/// Least squares of first-token and last-token times of the fitted requests over simulations of the
/// whole load: what was asked and when is an input, how long it took is not, so the type of `seen`
/// holds no more. Nelder and Mead (1965) on the logarithms, restarted; deterministic. Errors: those
/// of serving::Serve.
Result<StepFit> FitStepCost(const serving::SchedulerLimits& limits,
                            const workloads::RequestLoad& load,
                            std::span<const TokenTimes, kFittedRequests> seen, const Stop& stop);

/// One of the two times that a user waits for, from when the request was queued.
struct TimeComparison {
  Seconds measured_mean;
  Seconds simulated_mean;
  Seconds measured_p99;
  Seconds simulated_p99;
  double median_error = 0;  // of one request: the median of absolute relative errors
  double MeanError() const { return simulated_mean / measured_mean - 1; }
};

struct ServingLogScore {
  TimeComparison ttft;        // to the first token
  TimeComparison completion;  // to the last
};

/// Simulates the whole load and compares requests from `from` on.
Result<ServingLogScore> ScoreServingLog(const MeasuredServing& log, const StepConstants& constants,
                                        size_t from, const Stop& stop);

}  // namespace ridgeline::validation

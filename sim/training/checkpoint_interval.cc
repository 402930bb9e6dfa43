#include "sim/training/checkpoint_interval.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace ridgeline::training {

Seconds ExpectedTime(const FailureModel& model, Seconds interval) {
  CHECK(model.mean_between > Seconds{}, "mean time between failures: {} s",
        model.mean_between.base());
  return model.mean_between * std::exp((model.recovery + model.write_behind) / model.mean_between) *
         std::expm1((interval + model.stall) / model.mean_between);
}

double EffectiveTimeRatio(const FailureModel& model, Seconds interval) {
  return interval / ExpectedTime(model, interval);
}

Seconds OptimalInterval(const FailureModel& model) {
  // The slope of E(t)/t has the sign of t/M - (1 - e^(-(t + s)/M)): one root between 0 and M.
  double below = 0.0;
  double above = 1.0;
  const double stall = model.stall / model.mean_between;
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (below + above);
    (middle < -std::expm1(-(middle + stall)) ? below : above) = middle;
  }
  return std::max(0.5 * (below + above) * model.mean_between, model.write_behind - model.stall);
}

Seconds YoungInterval(const FailureModel& model) {
  return Seconds::FromBase(std::sqrt(2.0 * model.stall.base() * model.mean_between.base()));
}

Seconds DalyInterval(const FailureModel& model) {
  if (model.stall >= 2.0 * model.mean_between) {
    return model.mean_between;
  }
  const double half = model.stall / (2.0 * model.mean_between);
  return YoungInterval(model) * (1.0 + std::sqrt(half) / 3.0 + half / 9.0) - model.stall;
}

ExpectedTimes SplitExpectedTime(const FailureModel& model, Seconds interval) {
  const Seconds whole = ExpectedTime(model, interval);
  // Failures come while the run recovers as while it works, so that of every e^(r/M) of time 1 is
  // work.
  const Seconds working = whole * std::exp(-model.recovery / model.mean_between);
  return {.steps = interval,
          .stalls = model.stall,
          .restarts = whole - working,
          .rework = working - interval - model.stall,
          .failures = whole / model.mean_between};
}

}  // namespace ridgeline::training

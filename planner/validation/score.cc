#include "planner/validation/score.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/percentile.h"
#include "planner/validation/case_groups.h"

namespace ridgeline::validation {
namespace {

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double MeanError(std::span<const ConstantMfuCase> cases, double mfu) {
  double sum = 0.0;
  for (const ConstantMfuCase& c : cases) {
    sum += std::abs((c.is_rate ? mfu / c.mfu : c.mfu / mfu) - 1.0);
  }
  return sum / static_cast<double>(cases.size());
}

int64_t CountCases(std::span<const CaseOutcome> cases) {
  int64_t count = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    count += i == 0 || cases[i].id != cases[i - 1].id ? 1 : 0;
  }
  return count;
}

void ScoreClasses(std::span<const CaseOutcome> cases, Accuracy& accuracy) {
  std::string last_alarm;  // measurements of one case stand together
  for (const CaseOutcome& c : cases) {
    if (c.skip != SkipKind::kNone) {
      continue;
    }
    const bool ran_out = c.is_class && c.measured > 0.0;
    if (ran_out) {
      ++(c.fits ? accuracy.oom_misses : accuracy.oom_hits);
    } else if (!c.fits && c.id != last_alarm) {
      ++accuracy.oom_false_alarms;
      last_alarm = c.id;
    }
  }
}

void CountSkipsAndAssumptions(SuiteOutcome& suite) {
  std::map<std::pair<SkipKind, std::string>, int64_t> skips;
  std::map<Assumed, int64_t> assumed;
  const CaseOutcome* last = nullptr;
  for (const CaseOutcome& c : suite.cases) {
    if (c.skip != SkipKind::kNone) {
      ++skips[{c.skip, c.reason}];
      continue;
    }
    const bool is_same_case = last != nullptr && last->id == c.id;
    last = &c;
    if (is_same_case) {
      continue;
    }
    for (const Assumed& one : c.assumed) {
      ++assumed[one];
    }
  }
  suite.skipped.clear();
  for (const auto& [key, count] : skips) {
    suite.skipped.push_back({.kind = key.first, .reason = key.second, .cases = count});
  }
  suite.assumed.clear();
  for (const auto& [key, count] : assumed) {
    suite.assumed.push_back({.assumed = key, .cases = count});
  }
}

}  // namespace

bool CaseOutcome::IsWithinTolerance() const {
  if (!tolerance) {
    return true;
  }
  if (skip != SkipKind::kNone) {
    return skip != SkipKind::kError;  // a mistake leaves the tolerance unchecked
  }
  if (is_class) {
    return (predicted > 0.0) == (measured > 0.0);
  }
  // A hair of slack: 5 % of a decimal figure is no exact binary number.
  return std::abs(SignedError()) <= *tolerance * (1.0 + 1e-9) + 1e-12;
}

int64_t SuiteOutcome::CountOutsideTolerance() const {
  return std::count_if(cases.begin(), cases.end(),
                       [](const CaseOutcome& c) { return !c.IsWithinTolerance(); });
}

bool ValidationReport::IsWithinTolerance() const {
  return std::all_of(suites.begin(), suites.end(),
                     [](const SuiteOutcome& suite) { return suite.CountOutsideTolerance() == 0; });
}

ConstantMfuFit FitConstantMfu(std::span<const ConstantMfuCase> cases) {
  std::vector<double> knots;
  for (const ConstantMfuCase& c : cases) {
    knots.push_back(c.mfu);
  }
  std::sort(knots.begin(), knots.end());
  std::vector<double> candidates = knots;
  for (size_t i = 0; i + 1 < knots.size(); ++i) {
    // Inside the interval the signs of all errors are fixed: sum = a x + b / x + c.
    const double middle = (knots[i] + knots[i + 1]) / 2.0;
    double a = 0.0;
    double b = 0.0;
    for (const ConstantMfuCase& c : cases) {
      if (c.is_rate) {
        a += (middle > c.mfu ? 1.0 : -1.0) / c.mfu;
      } else {
        b += (middle < c.mfu ? 1.0 : -1.0) * c.mfu;
      }
    }
    if (a > 0.0 && b > 0.0) {
      candidates.push_back(std::clamp(std::sqrt(b / a), knots[i], knots[i + 1]));
    }
  }
  ConstantMfuFit best{.mfu = candidates.front(), .mape = MeanError(cases, candidates.front())};
  for (const double candidate : candidates) {
    const double mape = MeanError(cases, candidate);
    if (mape < best.mape) {
      best = {.mfu = candidate, .mape = mape};
    }
  }
  return best;
}

Accuracy Score(std::span<const CaseOutcome> cases) {
  Accuracy accuracy{.cases = CountCases(cases)};
  ScoreClasses(cases, accuracy);
  std::vector<double> absolute;
  std::vector<double> signed_errors;
  std::vector<double> half_widths;
  std::vector<ConstantMfuCase> guess_cases;
  std::vector<double> errors_beside_guess;
  int64_t covered = 0;
  for (const CaseOutcome& c : cases) {
    if (!c.is_scored()) {
      continue;
    }
    const double error = c.SignedError();
    signed_errors.push_back(error);
    absolute.push_back(std::abs(error));
    half_widths.push_back((c.high - c.low) / 2.0 / c.predicted);
    covered += c.low <= c.measured && c.measured <= c.high ? 1 : 0;
    if (!accuracy.worst || std::abs(error) > std::abs(accuracy.worst->error)) {
      accuracy.worst = Worst{.id = c.id, .error = error};
    }
    if (c.measured_mfu > 0.0) {
      guess_cases.push_back({.mfu = c.measured_mfu, .is_rate = c.is_rate});
      errors_beside_guess.push_back(std::abs(error));
    }
  }
  accuracy.scored = static_cast<int64_t>(absolute.size());
  if (absolute.empty()) {
    return accuracy;
  }
  accuracy.mape = Mean(absolute);
  accuracy.bias = Mean(signed_errors);
  accuracy.median_error = ExactQuantile(absolute, 0.5);
  accuracy.p90_error = ExactQuantile(absolute, 0.9);
  accuracy.median_half_width = ExactQuantile(half_widths, 0.5);
  if (*accuracy.median_error > 0.0) {
    accuracy.width_over_error = *accuracy.median_half_width / *accuracy.median_error;
  }
  accuracy.coverage = static_cast<double>(covered) / static_cast<double>(absolute.size());
  if (guess_cases.size() >= 2) {
    const ConstantMfuFit fit = FitConstantMfu(guess_cases);
    accuracy.constant_mfu = fit.mfu;
    accuracy.mape_constant = fit.mape;
    if (fit.mape > 0.0) {
      // Over the cases that the guess applies to, so that both stand on the same ground.
      accuracy.skill = 1.0 - Mean(errors_beside_guess) / fit.mape;
    }
  }
  return accuracy;
}

void Summarise(SuiteOutcome& suite) {
  suite.accuracy = Score(suite.cases);
  suite.groups = suite.is_formulas ? std::vector<Group>{} : ScoreGroups(suite);
  CountSkipsAndAssumptions(suite);
  suite.pair_counts = CountPairs(suite.pairs, suite.has_halves);
}

}  // namespace ridgeline::validation

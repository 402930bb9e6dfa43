#include "planner/validation/pair_outcome.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "planner/validation/suite.h"
#include "planner/validation/validation_report.h"

namespace ridgeline::validation {
namespace {

const Case* FindCase(const Suite& suite, const std::string& id) {
  const auto found = std::find_if(suite.cases.begin(), suite.cases.end(),
                                  [&id](const Case& one) { return one.id == id; });
  return found == suite.cases.end() ? nullptr : &*found;
}

/// The outcome of one metric, or what stands in its place; nullptr when the run was cut off.
const CaseOutcome* FindOutcome(std::span<const CaseOutcome> cases, const std::string& id,
                               const std::string& metric) {
  const CaseOutcome* skipped = nullptr;
  for (const CaseOutcome& c : cases) {
    if (c.id == id && c.skip == SkipKind::kNone && c.metric == metric) {
      return &c;
    }
    // A metric of its own that failed, or the whole case.
    if (c.id == id && c.skip != SkipKind::kNone &&
        std::find(c.skipped_metrics.begin(), c.skipped_metrics.end(), metric) !=
            c.skipped_metrics.end()) {
      skipped = &c;
    }
  }
  return skipped;
}

double Noise(const Suite& suite, const CasePair& pair, double from, double to) {
  if (pair.metric.starts_with("memory.")) {
    return 0.0;
  }
  const auto of = [&suite](const std::string& id, double value) {
    const Case* const one = FindCase(suite, id);
    return one == nullptr ? 0.0 : one->spread.value_or(0.0) * value;
  };
  return std::hypot(of(pair.from, from), of(pair.to, to));
}

PairOutcome JudgePair(const Suite& suite, const CasePair& pair,
                      std::span<const CaseOutcome> cases) {
  PairOutcome outcome{
      .pair = {.from = pair.from, .to = pair.to, .what = pair.what, .metric = pair.metric},
      .is_held_out = pair.is_held_out};
  if (suite.half != Half::kAll && pair.is_held_out != (suite.half == Half::kHeldOut)) {
    outcome.reason = pair.is_held_out ? "held out" : "in the fit half";
    return outcome;
  }
  const CaseOutcome* const from = FindOutcome(cases, pair.from, pair.metric);
  const CaseOutcome* const to = FindOutcome(cases, pair.to, pair.metric);
  for (const auto& [id, one] : {std::pair(&pair.from, from), std::pair(&pair.to, to)}) {
    if (one == nullptr || one->skip != SkipKind::kNone) {
      outcome.reason = fmt::format("{}: {}", *id, one == nullptr ? "not run" : one->reason);
      return outcome;
    }
  }
  outcome.measured_from = from->measured;
  outcome.measured_to = to->measured;
  outcome.predicted_from = from->predicted;
  outcome.predicted_to = to->predicted;
  outcome.noise = Noise(suite, pair, from->measured, to->measured);
  outcome.verdict = Judge(outcome);
  return outcome;
}

void Count(const PairOutcome& pair, PairCount& count) {
  ++count.pairs;
  count.judged += pair.is_judged() ? 1 : 0;
  count.right_sign += pair.is_judged() && pair.verdict != PairVerdict::kWrongSign ? 1 : 0;
  count.within_third += pair.verdict == PairVerdict::kWithinThird ? 1 : 0;
  count.undecided += pair.verdict == PairVerdict::kUndecided ? 1 : 0;
}

}  // namespace

std::string_view VerdictName(PairVerdict verdict) {
  switch (verdict) {
    case PairVerdict::kWithinThird:
      return "within a third";
    case PairVerdict::kRightSign:
      return "right sign";
    case PairVerdict::kWrongSign:
      return "wrong sign";
    case PairVerdict::kUndecided:
      return "undecided";
    case PairVerdict::kNotJudged:
      return "not judged";
  }
  return {};
}

PairVerdict Judge(const PairOutcome& pair) {
  const double measured = pair.MeasuredDifference();
  const double predicted = pair.PredictedDifference();
  if (measured == 0.0 || std::abs(measured) < pair.noise) {
    return PairVerdict::kUndecided;
  }
  // A hair of slack: a third of a decimal figure is no exact binary number.
  if (std::abs(predicted - measured) <= std::abs(measured) / 3.0 * (1.0 + 1e-9)) {
    return PairVerdict::kWithinThird;
  }
  return predicted * measured > 0.0 ? PairVerdict::kRightSign : PairVerdict::kWrongSign;
}

std::vector<PairOutcome> JudgePairs(const Suite& suite, std::span<const CaseOutcome> cases) {
  std::vector<PairOutcome> outcomes;
  for (const CasePair& pair : suite.pairs) {
    outcomes.push_back(JudgePair(suite, pair, cases));
  }
  return outcomes;
}

std::vector<PairCount> CountPairs(std::span<const PairOutcome> pairs, bool has_halves) {
  if (pairs.empty()) {
    return {};
  }
  std::vector<PairCount> counts = {{.name = "all"}};
  if (has_halves) {
    counts.push_back({.name = std::string(HalfName(false))});
    counts.push_back({.name = std::string(HalfName(true))});
  }
  const auto first_what = static_cast<std::ptrdiff_t>(counts.size());
  for (const PairOutcome& pair : pairs) {
    Count(pair, counts[0]);
    if (has_halves) {
      Count(pair, counts[pair.is_held_out ? 2 : 1]);
    }
    auto what = std::find_if(counts.begin() + first_what, counts.end(),
                             [&pair](const PairCount& one) { return one.name == pair.pair.what; });
    if (what == counts.end()) {
      counts.push_back({.name = pair.pair.what});
      what = counts.end() - 1;
    }
    Count(pair, *what);
  }
  return counts;
}

}  // namespace ridgeline::validation

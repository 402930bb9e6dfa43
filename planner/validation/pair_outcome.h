/// Is the difference between two cases predicted: compiled against eager, one schedule against
/// another?
///
/// The difference is `to` minus `from` in the metric's unit, measured and predicted alike. The sign
/// is right when both have the same; the size is right when the predicted difference lies within a
/// third of the measured one: |predicted - measured| <= |measured| / 3. A measured difference that
/// the noise of its two cases could make decides nothing and is not counted: smaller than
/// sqrt((spread_from x from)^2 + (spread_to x to)^2), the spreads being those that the cases state
/// (none: 0), for times and rates; memory repeats itself exactly.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ridgeline::validation {

struct CaseOutcome;
struct Suite;

enum class PairVerdict {
  kWithinThird,
  kRightSign,  // and a size that is not
  kWrongSign,
  kUndecided,  // smaller than the noise, or no difference at all
  kNotJudged   // not simulated, or in the other half; `reason` says
};
/// "within a third", "right sign", "wrong sign", "undecided", "not judged".
std::string_view VerdictName(PairVerdict verdict);

struct PairNames {
  std::string from = {};
  std::string to = {};
  std::string what = {};
  std::string metric = {};
};

struct PairOutcome {
  PairNames pair = {};
  bool is_held_out = false;  // either case is
  PairVerdict verdict = PairVerdict::kNotJudged;
  std::string reason = {};  // kNotJudged
  double measured_from = 0.0;
  double measured_to = 0.0;
  double predicted_from = 0.0;
  double predicted_to = 0.0;
  double noise = 0.0;  // of the measured difference, in the metric's unit

  bool is_judged() const {
    return verdict != PairVerdict::kUndecided && verdict != PairVerdict::kNotJudged;
  }
  double MeasuredDifference() const { return measured_to - measured_from; }
  double PredictedDifference() const { return predicted_to - predicted_from; }
};

/// kWithinThird, kRightSign, kWrongSign or kUndecided, from the figures.
PairVerdict Judge(const PairOutcome& pair);

struct PairCount {
  std::string name = {};  // "all", "fit", "held-out", or what differs
  int64_t pairs = 0;
  int64_t judged = 0;
  int64_t right_sign = 0;  // of those judged
  int64_t within_third = 0;
  int64_t undecided = 0;
};

/// Every pair of the suite, in order. A pair is in the held-out half when either case is; a pair of
/// another half than the suite's is listed, not judged. `cases`: outcomes of all cases that the
/// half needs, before those of the other half are withdrawn.
std::vector<PairOutcome> JudgePairs(const Suite& suite, std::span<const CaseOutcome> cases);

/// All; the halves when there are; then each thing that differs. Empty without pairs.
std::vector<PairCount> CountPairs(std::span<const PairOutcome> pairs, bool has_halves);

}  // namespace ridgeline::validation

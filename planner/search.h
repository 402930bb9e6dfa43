/// Best-first branch and bound over candidates whose bounds are known, in rounds of fixed numbers:
/// small ones first, so that there soon is an incumbent, each twice the last up to the full size.
///
/// Candidates are taken in the order of their bounds; what is known of the best changes between
/// rounds only, and ties break by the canonical order. So the answer and every count are the same
/// at any number of threads. A candidate is left out when even its bound is no better than the
/// worst of the `keep` best: the answer's list is the true one, not only its head.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "sim/engine/sim_time.h"

namespace ridgeline::planner {

/// How good: smaller is better. An objective that is maximised comes negated; equal objectives are
/// told apart by the step time, equal step times by the canonical order.
struct Rank {
  double objective = 0.0;
  engine::Picoseconds step = 0;
  int64_t index = 0;
  friend auto operator<=>(const Rank&, const Rank&) = default;
};

/// A candidate not yet evaluated: no part of `bound` is above the same part of its rank.
struct OpenCandidate {
  Rank bound;
  size_t point = 0;
};

struct EvaluatedCandidate {
  Rank rank;
  size_t point = 0;
  double miss = 0;  // how far from meeting every target, relative; 0: feasible
};

inline constexpr size_t kRoundSize = 64;
inline constexpr size_t kFirstRoundSize = 4;

struct SearchRequest {
  int keep = 1;
  int jobs = 1;
  size_t round_size = kRoundSize;  // most candidates between two looks at the incumbent
  Stop stop = {};
  /// Called from many threads at once. An error that is not the stop's ends the search.
  std::function<Result<EvaluatedCandidate>(size_t point)> evaluate;
  /// After a whole round, from the searching thread: the best so far (null while there is none),
  /// and how many candidates are decided of how many. An error ends the search.
  std::function<Status(const EvaluatedCandidate* best, size_t decided, size_t total)> on_round;
};

struct SearchResult {
  std::vector<EvaluatedCandidate> best;  // feasible, best first, at most `keep`
  int64_t evaluated = 0;
  int64_t bounded = 0;
  int64_t missed = 0;  // evaluated, and short of a target
  std::optional<EvaluatedCandidate> nearest_miss;
  /// Set when stopped: the least bound among what was not decided. What a broken-off round has
  /// evaluated counts.
  std::optional<Rank> least_open;
  bool is_partial() const { return least_open.has_value(); }
};

Result<SearchResult> Search(std::vector<OpenCandidate> open, const SearchRequest& request);

}  // namespace ridgeline::planner

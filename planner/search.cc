#include "planner/search.h"

#include <algorithm>
#include <utility>

#include "planner/for_each_index.h"

namespace ridgeline::planner {
namespace {

/// Puts a feasible candidate in its place among the `keep` best.
void Keep(const EvaluatedCandidate& candidate, size_t keep, std::vector<EvaluatedCandidate>& best) {
  const auto place = std::upper_bound(
      best.begin(), best.end(), candidate,
      [](const EvaluatedCandidate& a, const EvaluatedCandidate& b) { return a.rank < b.rank; });
  best.insert(place, candidate);
  if (best.size() > keep) {
    best.pop_back();
  }
}

void Book(const EvaluatedCandidate& candidate, size_t keep, SearchResult& result) {
  if (candidate.miss == 0) {
    Keep(candidate, keep, result.best);
    return;
  }
  ++result.missed;
  const auto order = [](const EvaluatedCandidate& c) { return std::pair(c.miss, c.rank); };
  if (!result.nearest_miss || order(candidate) < order(*result.nearest_miss)) {
    result.nearest_miss = candidate;
  }
}

}  // namespace

Result<SearchResult> Search(std::vector<OpenCandidate> open, const SearchRequest& request) {
  std::sort(open.begin(), open.end(),
            [](const OpenCandidate& a, const OpenCandidate& b) { return a.bound < b.bound; });
  const auto keep = static_cast<size_t>(std::max(1, request.keep));
  SearchResult result;
  size_t next = 0;
  while (next < open.size()) {
    // Bounds ascend: once one is no better than the worst kept, none is.
    if (result.best.size() == keep && !(open[next].bound < result.best.back().rank)) {
      result.bounded = static_cast<int64_t>(open.size() - next);
      break;
    }
    const size_t count = std::min(request.round_size, open.size() - next);
    std::vector<std::optional<Result<EvaluatedCandidate>>> round(count);
    ForEachIndex(count, request.jobs, [&](size_t i) {
      if (!request.stop.IsRequested()) {
        round[i] = request.evaluate(open[next + i].point);
      }
    });
    if (request.stop.IsRequested()) {
      result.least_open = open[next].bound;
      return result;
    }
    for (const std::optional<Result<EvaluatedCandidate>>& slot : round) {
      const Result<EvaluatedCandidate>& evaluated = slot.value();
      if (!evaluated) {
        return tl::unexpected(evaluated.error());
      }
      Book(*evaluated, keep, result);
    }
    next += count;
    result.evaluated += static_cast<int64_t>(count);
    const Status status =
        request.on_round(result.best.empty() ? nullptr : &result.best.front(), next, open.size());
    if (!status) {
      if (!request.stop.IsRequested()) {
        return tl::unexpected(status.error());
      }
      result.least_open = next < open.size() ? open[next].bound : Rank{.objective = 1e308};
      return result;
    }
  }
  return result;
}

}  // namespace ridgeline::planner

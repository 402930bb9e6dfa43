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

bool IsStop(const Error& error) {
  return error.code == ErrorCode::kCancelled || error.code == ErrorCode::kDeadlineExceeded;
}

}  // namespace

Result<SearchResult> Search(std::vector<OpenCandidate> open, const SearchRequest& request) {
  std::sort(open.begin(), open.end(),
            [](const OpenCandidate& a, const OpenCandidate& b) { return a.bound < b.bound; });
  const auto keep = static_cast<size_t>(std::max(1, request.keep));
  SearchResult result;
  size_t next = 0;
  size_t size = std::min(kFirstRoundSize, request.round_size);
  while (next < open.size()) {
    // Bounds ascend: once one is no better than the worst kept, none is.
    if (result.best.size() == keep && !(open[next].bound < result.best.back().rank)) {
      result.bounded = static_cast<int64_t>(open.size() - next);
      break;
    }
    const size_t count = std::min(size, open.size() - next);
    size = std::min(2 * size, request.round_size);
    std::vector<std::optional<Result<EvaluatedCandidate>>> round(count);
    ForEachIndex(count, request.jobs, [&](size_t i) {
      if (!request.stop.IsRequested()) {
        round[i] = request.evaluate(open[next + i].point);
      }
    });
    for (size_t i = 0; i < count; ++i) {
      if (!round[i] || (!*round[i] && IsStop(round[i]->error()))) {
        // Bounds ascend: the first that is left has the least.
        result.least_open = result.least_open.value_or(open[next + i].bound);
        continue;
      }
      if (!*round[i]) {
        return tl::unexpected(round[i]->error());
      }
      Book(**round[i], keep, result);
      ++result.evaluated;
    }
    if (result.is_partial()) {
      return result;
    }
    next += count;
    RETURN_IF_ERROR(
        request.on_round(result.best.empty() ? nullptr : &result.best.front(), next, open.size()));
  }
  return result;
}

}  // namespace ridgeline::planner

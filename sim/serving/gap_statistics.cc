#include "sim/serving/gap_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/check.h"
#include "sim/serving/decode_run.h"

namespace ridgeline::serving {
namespace {

using engine::Picoseconds;

Picoseconds Last(const GapRun& run) { return run.first + run.step * (run.count - 1); }

/// Gaps of one sequence of the run that are shorter than `bound`.
int64_t CountBelow(const GapRun& run, Picoseconds bound) {
  if (run.first >= bound) {
    return 0;
  }
  if (run.step == 0 || Last(run) < bound) {
    return run.count;
  }
  return (bound - run.first + run.step - 1) / run.step;
}

/// The gap with `rank` shorter or equal ones before it. Consumes `runs`.
Picoseconds Select(std::vector<GapRun> runs, int64_t rank) {
  uint64_t pick = 0;
  while (true) {
    CHECK(!runs.empty(), "rank {} of no gaps", rank);
    // A fixed sequence of pivots: the same input takes the same way.
    pick = pick * 6364136223846793005U + 1442695040888963407U;
    const GapRun& chosen = runs[(pick >> 33U) % runs.size()];
    const Picoseconds pivot = chosen.first + chosen.step * ((chosen.count - 1) / 2);
    int64_t below = 0;
    int64_t equal = 0;
    for (const GapRun& run : runs) {
      const int64_t shorter = CountBelow(run, pivot);
      below += shorter * run.sequences;
      equal += (CountBelow(run, pivot + 1) - shorter) * run.sequences;
    }
    if (rank >= below && rank < below + equal) {
      return pivot;
    }
    const bool keep_shorter = rank < below;
    rank -= keep_shorter ? 0 : below + equal;
    size_t kept = 0;
    for (GapRun run : runs) {
      if (keep_shorter) {
        run.count = CountBelow(run, pivot);
      } else {
        const int64_t dropped = CountBelow(run, pivot + 1);
        run.first += run.step * dropped;
        run.count -= dropped;
      }
      if (run.count > 0) {
        runs[kept++] = run;
      }
    }
    runs.resize(kept);
  }
}

double Quantile(std::span<const GapRun> runs, int64_t gaps, double q) {
  const double position = q * static_cast<double>(gaps - 1);
  const auto rank = static_cast<int64_t>(position);
  const double fraction = position - static_cast<double>(rank);
  const Picoseconds at = Select({runs.begin(), runs.end()}, rank);
  const double value = engine::ToSeconds(at).base();
  if (fraction == 0.0) {
    return value;
  }
  int64_t up_to_at = 0;
  Picoseconds above = std::numeric_limits<Picoseconds>::max();
  for (const GapRun& run : runs) {
    const int64_t shorter = CountBelow(run, at + 1);
    up_to_at += shorter * run.sequences;
    if (shorter < run.count) {
      above = std::min(above, run.first + run.step * shorter);
    }
  }
  const Picoseconds next = up_to_at > rank + 1 ? at : above;
  return value + fraction * (engine::ToSeconds(next).base() - value);
}

}  // namespace

int64_t CountGaps(std::span<const GapRun> runs) {
  int64_t gaps = 0;
  for (const GapRun& run : runs) {
    gaps += run.count * run.sequences;
  }
  return gaps;
}

Distribution GapStatistics(std::span<const GapRun> runs) {
  const int64_t gaps = CountGaps(runs);
  CHECK(gaps > 0, "statistics of no gaps");
  Int128 sum = 0;
  for (const GapRun& run : runs) {
    sum += DecodeRun{.first = run.first, .growth = run.step, .steps = run.count}.Duration() *
           run.sequences;
  }
  return {.mean = static_cast<double>(sum) * 1e-12 / static_cast<double>(gaps),
          .p50 = Quantile(runs, gaps, 0.50),
          .p90 = Quantile(runs, gaps, 0.90),
          .p99 = Quantile(runs, gaps, 0.99)};
}

}  // namespace ridgeline::serving

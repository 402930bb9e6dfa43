/// Exact statistics of the pooled gaps between tokens (ITL), from their runs: a million gaps are
/// never written out.
#pragma once

#include <span>

#include "sim/serving/request_outcome.h"

namespace ridgeline::serving {

/// In seconds. Quantiles interpolate linearly between order statistics, as numpy's default.
struct Distribution {
  double mean = 0.0;
  double p50 = 0.0;
  double p90 = 0.0;
  double p99 = 0.0;
  friend bool operator==(const Distribution&, const Distribution&) = default;
};

/// How many gaps there are.
int64_t CountGaps(std::span<const GapRun> runs);

/// Of at least one gap. Exact: the mean is an integer sum divided once, a quantile is found by
/// quickselect over the runs, O(runs x log(longest run)) expected.
Distribution GapStatistics(std::span<const GapRun> runs);

}  // namespace ridgeline::serving

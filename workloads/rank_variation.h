/// What makes ranks differ: `ranks:` of a training job. With any of it every rank is simulated for
/// itself; without, replicas that do the same at the same time are one rank.
#pragma once

#include <cstdint>
#include <vector>

#include "base/config_reader.h"

namespace ridgeline::workloads {

/// One GPU that computes slower than the others.
struct SlowRank {
  int64_t rank = 0;     // in the order of the job's ranks
  double factor = 1.0;  // its operations take so many times as long
  friend bool operator==(const SlowRank&, const SlowRank&) = default;
};
const Schema<SlowRank>& SchemaOf(Tag<SlowRank>);

struct RankVariation {
  bool all = false;  // simulate every rank, even of a healthy job
  /// Standard deviation of a GPU's own speed, drawn once a rank (manufacturing, cooling).
  double speed_spread = 0.0;
  /// Standard deviation of an operation chain's time from micro-batch to micro-batch.
  double jitter = 0.0;
  std::vector<SlowRank> slow;
  int64_t steps = 1;  // simulated, for the distribution of a step's time
  friend bool operator==(const RankVariation&, const RankVariation&) = default;
};
const Schema<RankVariation>& SchemaOf(Tag<RankVariation>);

/// Whether ranks are to be simulated one by one.
inline bool SimulatesEveryRank(const RankVariation& variation) {
  return variation.all || variation.speed_spread > 0 || variation.jitter > 0 ||
         !variation.slow.empty();
}

}  // namespace ridgeline::workloads

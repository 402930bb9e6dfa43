#include "sim/network/tree.h"

#include <cmath>

#include "sim/network/ring.h"

namespace ridgeline::network {
namespace {
// tuning.cc, PAT: what a step of the aggregated trees costs of a network latency, and per rank.
constexpr double kStepsPerLatency = 3.5;
constexpr Seconds kPerRank = Microseconds(2.8);

double Levels(const GroupShape& shape) { return std::floor(std::log2(shape.nodes)); }
}  // namespace

Seconds TreeAllReduceTime(const GroupShape& shape, Bytes size, const GroupHops& hops) {
  if (shape.ranks <= 1) {
    return {};
  }
  return hops.base +
         2 * ((shape.per_node - 1) * hops.inside.latency + Levels(shape) * hops.across.latency) +
         2 * size / RingBandwidth(shape, hops);
}

Seconds AggregatedTreesTime(const GroupShape& shape, Bytes size, const GroupHops& hops) {
  if (shape.ranks <= 1) {
    return {};
  }
  return hops.base + Levels(shape) * hops.across.latency / kStepsPerLatency +
         shape.ranks * kPerRank + (shape.ranks - 1) * (size / shape.ranks) / hops.across.bandwidth;
}

}  // namespace ridgeline::network

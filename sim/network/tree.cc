#include "sim/network/tree.h"

#include <cmath>

#include "sim/network/ring.h"

namespace ridgeline::network {
namespace {
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
  return hops.base + Levels(shape) * hops.across.latency / kAggregatedStepsPerLatency +
         shape.ranks * kAggregatedPerRank +
         (shape.ranks - 1) * (size / shape.ranks) / hops.across.bandwidth;
}

}  // namespace ridgeline::network

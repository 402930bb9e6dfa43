#include "sim/network/ring.h"

#include <algorithm>

namespace ridgeline::network {
namespace {

// `turns` times round the ring, n - 1 steps of one chunk each.
Seconds TurnsTime(double turns, const GroupShape& shape, Bytes size, const GroupHops& hops) {
  if (shape.ranks <= 1) {
    return {};
  }
  const double steps = turns * (shape.ranks - 1);
  const double crossing = turns * (shape.nodes - 1);
  return hops.base + (steps - crossing) * hops.inside.latency + crossing * hops.across.latency +
         steps * (size / shape.ranks) / RingBandwidth(shape, hops);
}

}  // namespace

BytesPerSecond RingBandwidth(const GroupShape& shape, const GroupHops& hops) {
  if (shape.is_one_node()) {
    return hops.inside.bandwidth;
  }
  if (shape.per_node == 1) {
    return hops.across.bandwidth;
  }
  return std::min(hops.inside.bandwidth, shape.per_node * hops.across.bandwidth);
}

Seconds RingAllReduceTime(const GroupShape& shape, Bytes size, const GroupHops& hops) {
  return TurnsTime(2, shape, size, hops);
}

Seconds RingAllGatherTime(const GroupShape& shape, Bytes size, const GroupHops& hops) {
  return TurnsTime(1, shape, size, hops);
}

Seconds RingReduceScatterTime(const GroupShape& shape, Bytes size, const GroupHops& hops) {
  return TurnsTime(1, shape, size, hops);
}

Seconds RingBroadcastTime(const GroupShape& shape, Bytes size, const GroupHops& hops) {
  if (shape.ranks <= 1) {
    return {};
  }
  return hops.base + (shape.ranks - shape.nodes) * hops.inside.latency +
         (shape.nodes - 1) * hops.across.latency + size / RingBandwidth(shape, hops);
}

}  // namespace ridgeline::network

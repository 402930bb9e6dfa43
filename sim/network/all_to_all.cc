#include "sim/network/all_to_all.h"

#include <algorithm>
#include <cmath>

namespace ridgeline::network {
namespace {
constexpr double kExchangesAtATime = 8;  // NVIDIA/nccl v2.30.7 src/enqueue.cc
}

Seconds AllToAllTime(const GroupShape& shape, Bytes size, const GroupHops& hops) {
  if (shape.ranks <= 1) {
    return {};
  }
  const double rounds = std::ceil((shape.ranks - 1) / kExchangesAtATime);
  const Bytes part = size / shape.ranks;
  const Seconds inside = (shape.per_node - 1) * part / hops.inside.bandwidth;
  if (shape.is_one_node()) {
    return hops.base + rounds * hops.inside.latency + inside;
  }
  const Seconds across = (shape.ranks - shape.per_node) * part / hops.across.bandwidth;
  return hops.base + rounds * hops.across.latency + std::max(inside, across);
}

Seconds SendTime(const GroupShape& shape, Bytes size, const GroupHops& hops) {
  if (shape.ranks <= 1) {
    return {};
  }
  const Hop& hop = shape.is_one_node() ? hops.inside : hops.across;
  return hops.base + hop.latency + size / hop.bandwidth;
}

}  // namespace ridgeline::network

#include "sim/serving/router.h"

#include <algorithm>

namespace ridgeline::serving {

int32_t RequestRouter::Choose(std::span<const Replica> replicas) {
  if (policy_ == workloads::Router::kRoundRobin) {
    const size_t chosen = next_;
    next_ = next_ + 1 == replicas.size() ? 0 : next_ + 1;
    return static_cast<int32_t>(chosen);
  }
  const auto least = std::min_element(
      replicas.begin(), replicas.end(),
      [](const Replica& a, const Replica& b) { return a.unfinished() < b.unfinished(); });
  return static_cast<int32_t>(least - replicas.begin());
}

}  // namespace ridgeline::serving

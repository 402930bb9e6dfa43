#include "sim/training/contention.h"

#include <algorithm>
#include <cmath>

namespace ridgeline::training {

using compute::Duration;

void BesideCollectives::Begin(Duration& collective) {
  UnderWay& begun = begun_.emplace_back();
  begun.collective = &collective;
  for (size_t i = 0; i < begun.left.size(); ++i) {
    begun.left.at(i) = static_cast<double>(collective.at[i]);
  }
}

Duration BesideCollectives::Compute(const Duration& alone) {
  Duration longer;
  for (size_t i = 0; i < next_.size(); ++i) {
    auto left = static_cast<double>(alone.at[i]);
    double added = 0;
    for (size_t& next = next_.at(i); next < begun_.size() && left > 0;) {
      UnderWay& under_way = begun_[next];
      const double together = std::min(kComputeBesideCollective * left,
                                       kCollectiveBesideCompute * under_way.left.at(i));
      const double computed = together / kComputeBesideCollective;
      const double sent = together / kCollectiveBesideCompute;
      added += together - computed;
      left -= computed;
      under_way.left.at(i) -= sent;
      under_way.collective->at[i] +=
          static_cast<engine::Picoseconds>(std::llround(together - sent));
      // A picosecond left is over: rounding must not keep it alive.
      if (under_way.left.at(i) < 1.0) {
        ++next;
      } else {
        break;
      }
    }
    longer.at[i] = static_cast<engine::Picoseconds>(std::llround(added));
  }
  return longer;
}

}  // namespace ridgeline::training

#include "sim/network/custom_all_reduce.h"

namespace ridgeline::network {

AffineTime OneShotTime(const GroupLinks& links) {
  const hardware::CustomAllReduce& custom = links.library->custom_all_reduce;
  return {.latency = custom.one_shot,
          .rate = links.inside_rate() * (custom.one_shot_share / (links.shape.ranks - 1))};
}

AffineTime TwoShotTime(const GroupLinks& links) {
  const hardware::CustomAllReduce& custom = links.library->custom_all_reduce;
  const double n = links.shape.ranks;
  return {.latency = custom.two_shot,
          .rate = links.inside_rate() * (custom.two_shot_share * n / (2 * (n - 1)))};
}

}  // namespace ridgeline::network

/// Which replica gets the next request.
#pragma once

#include <cstdint>
#include <span>

#include "sim/serving/replica.h"
#include "workloads/serving_job.h"

namespace ridgeline::serving {

class RequestRouter {
 public:
  explicit RequestRouter(workloads::Router policy) : policy_(policy) {}

  /// Round-robin: in turn, whatever becomes of the request. Least-requests: the fewest unfinished
  /// ones at this instant, the lowest number among equals. O(replicas).
  int32_t Choose(std::span<const Replica> replicas);

 private:
  workloads::Router policy_;
  size_t next_ = 0;
};

}  // namespace ridgeline::serving

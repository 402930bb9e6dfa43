/// Which links a message takes: shortest paths, spread over equal ones by the flow's hash (ECMP) or
/// by spraying (adaptive), within the node over NVLink, between nodes along the rail.
#pragma once

#include <cstdint>
#include <vector>

#include "base/units.h"
#include "hardware/fabric_graph.h"

namespace ridgeline::hardware {

struct RouteOptions {
  /// To another node on another rail: first over NVLink to the GPU that owns the destination's rail
  /// (NCCL's PXN); otherwise out of the own NIC and across the spines.
  bool pxn = true;
  uint64_t seed = 1;  // of the hash
};

class FabricRouter {
 public:
  /// Keeps a reference to `graph`. Distances to every leaf are found once: O(leaves x switches).
  FabricRouter(const FabricGraph& graph, const RouteOptions& options);

  /// Appends the resources from one GPU (counted over the cluster: node x gpus + index) to another,
  /// in order. `flow` picks among equal paths. The same GPU twice: nothing. O(hops).
  void AppendRoute(int64_t from_gpu, int64_t to_gpu, uint64_t flow,
                   std::vector<int32_t>& resources) const;

  /// Sum of the links' latencies along that route.
  Seconds LatencyOf(int64_t from_gpu, int64_t to_gpu, uint64_t flow) const;

 private:
  const FabricGraph& graph_;
  RouteOptions options_;
  // The builder of routes adds what it needs here.
};

}  // namespace ridgeline::hardware

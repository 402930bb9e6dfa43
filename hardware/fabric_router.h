/// Which links a message takes: shortest paths, spread over equal ones by the flow's hash (ECMP) or
/// by spraying (adaptive), within the node over NVLink, between nodes along the rail.
#pragma once

#include <atomic>
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
  /// Keeps a reference to `graph`. Distances to a leaf are found when a route first leads there:
  /// O(links between switches) once a leaf, and twelve bytes a leaf and switch.
  FabricRouter(const FabricGraph& graph, const RouteOptions& options);
  ~FabricRouter();
  FabricRouter(const FabricRouter&) = delete;
  FabricRouter& operator=(const FabricRouter&) = delete;

  /// Appends the resources from one GPU (counted over the cluster: node x gpus + index) to another,
  /// in order, neighbours that are one resource once. `flow` picks among equal paths. The same GPU
  /// twice: nothing. O(hops). Thread-safe.
  void AppendRoute(int64_t from_gpu, int64_t to_gpu, uint64_t flow,
                   std::vector<int32_t>& resources) const;

  /// The same way as links: each begins where the one before it ends.
  void AppendLinks(int64_t from_gpu, int64_t to_gpu, uint64_t flow,
                   std::vector<int32_t>& links) const;

  /// Sum of the links' latencies along that route.
  Seconds LatencyOf(int64_t from_gpu, int64_t to_gpu, uint64_t flow) const;

 private:
  /// From one switch towards a leaf: how far, by how many links, and one of them.
  struct Hop {
    int32_t distance = -1;  // in links between switches; -1: no way
    int32_t num_links = 0;
    int32_t link = -1;
  };
  using Hops = std::vector<Hop>;  // of every switch, towards one leaf
  template <class Visit>
  void Walk(int64_t from_gpu, int64_t to_gpu, uint64_t flow, Visit visit) const;
  template <class Visit>
  void WalkInside(int64_t node, int64_t from, int64_t to, Visit& visit) const;
  template <class Visit>
  void WalkFabric(int32_t from_nic, int32_t to_nic, uint64_t flow, Visit& visit) const;
  const Hops& To(int32_t leaf) const;
  int32_t NextHop(int32_t at, const Hops& hops, uint64_t flow) const;
  bool IsReached(int32_t from_nic, int32_t to_nic) const;
  bool IsOnOneLeaf(int32_t a_nic, int32_t b_nic) const;

  const FabricGraph& graph_;
  RouteOptions options_;
  int64_t gpus_per_node_ = 0;
  bool has_dimensions_ = false;
  struct Neighbour {
    int32_t link = 0;
    int32_t to = 0;
  };
  std::vector<int32_t> neighbours_begin_;  // links between switches, by switch
  std::vector<Neighbour> neighbours_;
  mutable std::vector<std::atomic<const Hops*>> to_leaf_;
};

}  // namespace ridgeline::hardware

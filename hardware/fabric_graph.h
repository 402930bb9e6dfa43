/// A cluster's wiring as a graph: GPUs, NVSwitches, PCIe switches, hosts, NICs and the fabric's
/// switches, joined by directed links. Built from descriptions (node.h, fabric.h) by one builder a
/// kind of fabric; drawn by `describe fabric`; what flows run over.
///
/// A *resource* is what flows compete for: one directed link where a flow keeps to one path (ECMP),
/// or all links of a switch (or pod) to the tier above or below where packets are sprayed over them
/// (adaptive routing), whose capacity is their sum.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "hardware/cluster.h"
#include "hardware/node_interior.h"

namespace ridgeline::hardware {

enum class VertexKind { kGpu, kNvSwitch, kPcieSwitch, kHost, kNic, kLeaf, kSpine, kCore };

struct FabricVertex {
  VertexKind kind = VertexKind::kGpu;
  int32_t node = -1;  // of the cluster; -1 for the fabric's switches
  int32_t index = 0;  // within its node, or within its tier
};

struct FabricLink {
  int32_t from = 0;
  int32_t to = 0;
  BytesPerSecond peak;       // all cables together, this direction
  BytesPerSecond sustained;  // what NCCL gets through them
  Seconds latency;
  int32_t cables = 1;
  int32_t resource = 0;
};

struct FabricResource {
  BytesPerSecond peak;
  BytesPerSecond sustained;
  bool is_between_switches =
      false;  // of the fabric: what oversubscription and other jobs make scarce
};

class FabricGraph {
 public:
  /// Errors, each with the place of the key in the user's file and a hint: parts that nothing
  /// joins, links to themselves or round in a circle where the kind allows none, bandwidth not
  /// above zero, negative latency, more nodes than the fabric holds. O(vertices + links).
  static Result<FabricGraph> Of(const Cluster& cluster);

  std::span<const FabricVertex> vertices() const { return vertices_; }
  std::span<const FabricLink> links() const { return links_; }
  std::span<const FabricResource> resources() const { return resources_; }
  std::span<const int32_t> out(int32_t vertex) const;  // links that leave it
  int32_t gpu(int64_t node, int64_t index) const;      // its vertex
  int32_t nic(int64_t node, int64_t index) const;      // vertex of a node's port (or ports)
  std::string NameOf(int32_t vertex) const;            // "node3.gpu1", "leaf12", "spine0"

  int64_t nodes() const { return nodes_; }
  const NodeInterior& interior() const { return interior_; }
  int32_t first_switch() const { return first_switch_; }  // the fabric's switches come last
  int32_t first_fabric_link() const { return first_fabric_link_; }  // links of nodes come first
  /// Of a switch: 1 where ports hang, 2 above, and so on. 0 for what is in a node.
  int32_t TierOf(int32_t vertex) const;
  /// A torus routes dimension by dimension: the one along which a link leads. 0 elsewhere.
  int32_t DimensionOf(int32_t link) const;
  bool has_dimensions() const { return !dimension_.empty(); }
  FabricRouting routing() const { return routing_; }

 private:
  friend class FabricGraphBuilder;
  std::vector<FabricVertex> vertices_;
  std::vector<FabricLink> links_;
  std::vector<FabricResource> resources_;
  std::vector<int32_t> out_begin_;
  std::vector<int32_t> out_links_;
  std::vector<int32_t> gpu_vertex_;
  int64_t gpus_per_node_ = 0;
  int64_t nodes_ = 0;
  NodeInterior interior_;
  int32_t first_switch_ = 0;
  int32_t first_fabric_link_ = 0;
  std::vector<std::string> switch_names_;
  std::vector<int32_t> tiers_;      // of switches
  std::vector<int32_t> dimension_;  // of the fabric's links; empty where there are no dimensions
  FabricRouting routing_ = FabricRouting::kAdaptive;
};

}  // namespace ridgeline::hardware

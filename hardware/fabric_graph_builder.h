/// Collects the parts of a FabricGraph. Builders of kinds (fabric_builders.h) add switches and
/// bundles of cables; Finish applies faults, checks that all is joined, decides what flows share,
/// and lays the links out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hardware/fabric_graph.h"

namespace ridgeline::hardware {

/// Cables alike between two parts of the fabric, both ways.
struct CableBundle {
  int32_t a = 0;  // the port, where one end is a port
  int32_t b = 0;
  BytesPerSecond peak;       // all cables together, one direction
  BytesPerSecond sustained;  // likewise
  Seconds latency;
  int64_t cables = 1;
  int32_t dimension = 0;   // of a torus
  WrittenAt written = {};  // of a custom link
};

class FabricGraphBuilder {
 public:
  explicit FabricGraphBuilder(const Cluster& cluster) : cluster_(cluster) {}

  int32_t AddVertex(FabricVertex vertex);
  int32_t AddResource(BytesPerSecond peak, BytesPerSecond sustained);
  int32_t AddLink(const FabricLink& link);  // one way, inside a node

  int32_t AddSwitch(VertexKind kind, std::string name, WrittenAt written = {});
  void Join(CableBundle bundle) { bundles_.push_back(std::move(bundle)); }

  const Cluster& cluster() const { return cluster_; }
  const NodeInterior& interior() const { return interior_; }
  int32_t nic(int64_t node, int64_t index) const;
  bool is_switch(int32_t vertex) const { return vertex >= first_switch_; }
  int32_t first_switch() const { return first_switch_; }
  int32_t num_vertices() const { return static_cast<int32_t>(graph_.vertices_.size()); }
  int32_t num_links() const { return static_cast<int32_t>(graph_.links_.size()); }
  std::string NameOf(int32_t vertex) const { return graph_.NameOf(vertex); }
  const std::vector<CableBundle>& bundles() const { return bundles_; }
  std::vector<CableBundle>& bundles() { return bundles_; }
  const WrittenAt& written(int32_t switch_vertex) const;
  int32_t tier(int32_t switch_vertex) const;
  void set_tier(int32_t switch_vertex, int32_t tier);

  void BuildNodes();  // before any switch
  Result<FabricGraph> Finish();

 private:
  /// Of the port that a bundle hangs on, where the cables are no slower: a port and its cable are
  /// one thing to flows. -1 otherwise.
  int32_t PortResource(const CableBundle& bundle, bool is_out) const;
  void LayOutFabric();
  void IndexLinks();

  const Cluster& cluster_;
  FabricGraph graph_;
  NodeInterior interior_;
  int32_t first_switch_ = 0;
  std::vector<CableBundle> bundles_;
  std::vector<WrittenAt> switch_written_;
};

/// An error about a part of the cluster's fabric, with the place where it was written; where that
/// is unknown, the fabric's.
Error FabricError(const Fabric& fabric, std::string message, std::string hint,
                  const WrittenAt& written = {});

}  // namespace ridgeline::hardware

#include "hardware/fabric_graph.h"

#include <array>

#include <fmt/format.h>

#include "hardware/fabric_builders.h"
#include "hardware/fabric_graph_builder.h"

namespace ridgeline::hardware {
namespace {

Status Wire(FabricGraphBuilder& builder) {
  switch (builder.cluster().fabric.kind) {
    case FabricKind::kNone:
      return {};
    case FabricKind::kRailOptimized:
      return WireRailOptimized(builder);
    case FabricKind::kFatTree:
      return WireFatTree(builder);
    case FabricKind::kDragonflyPlus:
      return WireDragonflyPlus(builder);
    case FabricKind::kTorus:
      return WireTorus(builder);
    case FabricKind::kCustom:
      return WireCustom(builder);
  }
  return {};
}

}  // namespace

Result<FabricGraph> FabricGraph::Of(const Cluster& cluster) {
  if (cluster.fabric.kind == FabricKind::kNone && cluster.nodes > 1) {
    return Fail(FabricError(cluster.fabric, fmt::format("nothing joins {} nodes", cluster.nodes),
                            "name a fabric: fabric: rail-optimized-400g"));
  }
  if (cluster.fabric.kind != FabricKind::kNone && cluster.node.nics.count < 1) {
    return Fail(FabricError(cluster.fabric,
                            fmt::format("nodes without network ports: {}", cluster.node.name),
                            "give the node nics: {count: 8, bandwidth: 400 Gb/s}"));
  }
  FabricGraphBuilder builder(cluster);
  builder.BuildNodes();
  RETURN_IF_ERROR(Wire(builder));
  return builder.Finish();
}

std::span<const int32_t> FabricGraph::out(int32_t vertex) const {
  const auto begin = static_cast<size_t>(out_begin_[static_cast<size_t>(vertex)]);
  const auto end = static_cast<size_t>(out_begin_[static_cast<size_t>(vertex) + 1]);
  return {out_links_.data() + begin, end - begin};
}

int32_t FabricGraph::gpu(int64_t node, int64_t index) const {
  return gpu_vertex_[static_cast<size_t>(node * gpus_per_node_ + index)];
}

int32_t FabricGraph::nic(int64_t node, int64_t index) const {
  return static_cast<int32_t>(node * interior_.num_vertices + interior_.first_nic + index);
}

std::string FabricGraph::NameOf(int32_t vertex) const {
  const FabricVertex& v = vertices_[static_cast<size_t>(vertex)];
  switch (v.kind) {
    case VertexKind::kGpu:
      return fmt::format("node{}.gpu{}", v.node, v.index);
    case VertexKind::kNvSwitch:
      return fmt::format("node{}.nvswitch", v.node);
    case VertexKind::kPcieSwitch:
      return fmt::format("node{}.pcie{}", v.node, v.index);
    case VertexKind::kHost:
      return fmt::format("node{}.host", v.node);
    case VertexKind::kNic:
      return fmt::format("node{}.nic{}", v.node, v.index);
    case VertexKind::kLeaf:
    case VertexKind::kSpine:
    case VertexKind::kCore:
      return switch_names_[static_cast<size_t>(vertex - first_switch_)];
  }
  return {};
}

int32_t FabricGraph::TierOf(int32_t vertex) const {
  return vertex < first_switch_ ? 0 : tiers_[static_cast<size_t>(vertex - first_switch_)];
}

int32_t FabricGraph::DimensionOf(int32_t link) const {
  return dimension_.empty() || link < first_fabric_link_
             ? 0
             : dimension_[static_cast<size_t>(link - first_fabric_link_)];
}

}  // namespace ridgeline::hardware

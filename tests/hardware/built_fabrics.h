/// Graphs of clusters that are written in a line, and what can be counted in them.
#pragma once

#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "base/check.h"
#include "base/diagnostic.h"
#include "hardware/fabric_graph.h"
#include "tests/hardware/shipped_catalog.h"

namespace ridgeline::hardware {

/// The text of a `cluster:` value.
inline Result<Cluster> ClusterOf(const std::string& text) {
  return ShippedCatalog().ResolveCluster(
      Written<ClusterDescription>("cluster: " + text, "cluster"));
}

inline Result<FabricGraph> TryGraphOf(const std::string& text) {
  ASSIGN_OR_RETURN(const Cluster cluster, ClusterOf(text));
  return FabricGraph::Of(cluster);
}

inline FabricGraph GraphOf(const std::string& text) {
  Result<FabricGraph> graph = TryGraphOf(text);
  CHECK(graph.has_value(), "{}: {}", text, RenderError(graph.error()));
  return *std::move(graph);
}

inline int64_t CountOf(const FabricGraph& graph, VertexKind kind) {
  int64_t count = 0;
  for (const FabricVertex& vertex : graph.vertices()) {
    count += vertex.kind == kind ? 1 : 0;
  }
  return count;
}

/// Cables from parts of one kind to parts of another, one way.
inline int64_t CablesOf(const FabricGraph& graph, VertexKind from, VertexKind to) {
  int64_t cables = 0;
  for (const FabricLink& link : graph.links()) {
    if (graph.vertices()[static_cast<size_t>(link.from)].kind == from &&
        graph.vertices()[static_cast<size_t>(link.to)].kind == to) {
      cables += link.cables;
    }
  }
  return cables;
}

/// What all those links carry together.
inline double PeakOf(const FabricGraph& graph, VertexKind from, VertexKind to) {
  double peak = 0;
  for (const FabricLink& link : graph.links()) {
    if (graph.vertices()[static_cast<size_t>(link.from)].kind == from &&
        graph.vertices()[static_cast<size_t>(link.to)].kind == to) {
      peak += link.peak.base();
    }
  }
  return peak;
}

inline int32_t VertexNamed(const FabricGraph& graph, const std::string& name) {
  for (int32_t v = 0; v < static_cast<int32_t>(graph.vertices().size()); ++v) {
    if (graph.NameOf(v) == name) {
      return v;
    }
  }
  CHECK(false, "no vertex is called {}", name);
  return -1;
}

/// The link between two parts; with several cables alone, the first.
inline const FabricLink& LinkBetween(const FabricGraph& graph, const std::string& from,
                                     const std::string& to) {
  const int32_t target = VertexNamed(graph, to);
  for (const int32_t link : graph.out(VertexNamed(graph, from))) {
    if (graph.links()[static_cast<size_t>(link)].to == target) {
      return graph.links()[static_cast<size_t>(link)];
    }
  }
  CHECK(false, "no link from {} to {}", from, to);
  return graph.links().front();
}

inline const FabricResource& ResourceOf(const FabricGraph& graph, const FabricLink& link) {
  return graph.resources()[static_cast<size_t>(link.resource)];
}

}  // namespace ridgeline::hardware

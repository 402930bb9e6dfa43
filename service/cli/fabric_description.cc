#include "service/cli/fabric_description.h"

#include <array>
#include <map>

#include <fmt/format.h>

#include "base/grouped_number.h"
#include "hardware/fabric_drawing.h"
#include "hardware/fabric_graph.h"
#include "hardware/sample_cluster.h"

namespace ridgeline::cli {
namespace {

using hardware::Cluster;
using hardware::FabricGraph;
using hardware::VertexKind;

template <class T>
Reference<T> Named(const std::string& name) {
  Reference<T> reference;
  reference.name = name;
  return reference;
}

Result<Cluster> ClusterFor(const Session& session, const KindInfo& kind, const std::string& name) {
  if (kind.kind == Kind::kCluster) {
    return session.catalog.ResolveCluster(Named<hardware::ClusterDescription>(name));
  }
  if (kind.kind == Kind::kFabric) {
    ASSIGN_OR_RETURN(const hardware::Fabric fabric,
                     session.catalog.ResolveFabric(Named<hardware::Fabric>(name)));
    return hardware::SampleCluster(session.catalog, fabric, session.line.nodes);
  }
  if (kind.kind == Kind::kNode) {
    Cluster cluster;
    ASSIGN_OR_RETURN(cluster.node, session.catalog.ResolveNode(Named<hardware::Node>(name)));
    ASSIGN_OR_RETURN(cluster.gpu, session.catalog.ResolveGpu(cluster.node.gpu));
    cluster.name = cluster.node.name;
    cluster.fabric.kind = hardware::FabricKind::kNone;
    return cluster;
  }
  return InvalidArgument(fmt::format("nothing to draw in a {}: {}", kind.singular, name),
                         "dot and svg draw a fabric, a cluster or a node");
}

}  // namespace

Result<std::string> DrawNetwork(const Session& session, const KindInfo& kind,
                                const std::string& name) {
  ASSIGN_OR_RETURN(const Cluster cluster, ClusterFor(session, kind, name));
  ASSIGN_OR_RETURN(const FabricGraph graph, FabricGraph::Of(cluster));
  std::string dot = hardware::DrawDot(cluster, graph);
  return session.line.picture == Picture::kDot ? Result<std::string>(std::move(dot)) : SvgOf(dot);
}

Result<std::string> DescribeNetwork(const Session& session, const KindInfo& kind,
                                    const std::string& name) {
  ASSIGN_OR_RETURN(const Cluster cluster, ClusterFor(session, kind, name));
  if (cluster.fabric.kind == hardware::FabricKind::kNone) {
    return std::string();
  }
  ASSIGN_OR_RETURN(const FabricGraph graph, FabricGraph::Of(cluster));
  std::map<VertexKind, int64_t> switches;
  for (size_t i = static_cast<size_t>(graph.first_switch()); i < graph.vertices().size(); ++i) {
    ++switches[graph.vertices()[i].kind];
  }
  int64_t to_nodes = 0;
  int64_t between = 0;  // each cable is two links
  for (size_t i = static_cast<size_t>(graph.first_fabric_link()); i < graph.links().size(); ++i) {
    const hardware::FabricLink& link = graph.links()[i];
    (graph.TierOf(link.from) > 0 && graph.TierOf(link.to) > 0 ? between : to_nodes) += link.cables;
  }
  const bool is_torus = cluster.fabric.kind == hardware::FabricKind::kTorus;
  const std::array<std::pair<VertexKind, std::string_view>, 3> kNames = {
      {{VertexKind::kLeaf, is_torus ? "routers" : "leaves"},
       {VertexKind::kSpine, "spines"},
       {VertexKind::kCore, "cores"}}};
  std::string text =
      fmt::format("\nbuilt with {} x {}:", Grouped(cluster.nodes), cluster.node.name);
  std::string separator = " ";
  for (const auto& [vertex_kind, words] : kNames) {
    if (switches[vertex_kind] > 0) {
      text += fmt::format("{}{} {}", separator, Grouped(switches[vertex_kind]), words);
      separator = ", ";
    }
  }
  text += fmt::format("; {} cables to nodes, {} between switches\n", Grouped(to_nodes / 2),
                      Grouped(between / 2));
  return text;
}

}  // namespace ridgeline::cli

#include "hardware/fabric_parts.h"

#include <queue>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/breadth_first_search.hpp>
#include <boost/graph/connected_components.hpp>
#include <boost/pending/disjoint_sets.hpp>
#include <fmt/format.h>

namespace ridgeline::hardware {
namespace {

using Wiring = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS>;

Wiring WiringOf(const FabricGraphBuilder& builder) {
  Wiring wiring(static_cast<size_t>(builder.num_vertices()));
  for (const CableBundle& bundle : builder.bundles()) {
    boost::add_edge(static_cast<size_t>(bundle.a), static_cast<size_t>(bundle.b), wiring);
  }
  return wiring;
}

/// Distances from the ports: 1 for a switch with a port on it, 2 for what is joined with that.
Status FindTiers(FabricGraphBuilder& builder) {
  Wiring wiring = WiringOf(builder);
  // One more vertex stands for all ports.
  const size_t ports = boost::add_vertex(wiring);
  for (const CableBundle& bundle : builder.bundles()) {
    if (!builder.is_switch(bundle.a)) {
      boost::add_edge(ports, static_cast<size_t>(bundle.b), wiring);
    }
  }
  std::vector<int32_t> distance(boost::num_vertices(wiring), 0);
  boost::breadth_first_search(wiring, ports,
                              boost::visitor(boost::make_bfs_visitor(boost::record_distances(
                                  distance.data(), boost::on_tree_edge()))));
  for (int32_t v = builder.first_switch(); v < builder.num_vertices(); ++v) {
    if (distance[static_cast<size_t>(v)] == 0) {
      return Fail(FabricError(builder.cluster().fabric,
                              "a switch that nothing joins to a port: " + builder.NameOf(v),
                              "add a link to it, or leave it out of switches", builder.written(v)));
    }
    builder.set_tier(v, distance[static_cast<size_t>(v)]);
  }
  return {};
}

Status CheckLoops(const FabricGraphBuilder& builder) {
  const auto n = static_cast<size_t>(builder.num_vertices());
  std::vector<int32_t> rank(n);
  std::vector<int32_t> parent(n);
  boost::disjoint_sets<int32_t*, int32_t*> sets(rank.data(), parent.data());
  for (int32_t v = 0; v < builder.num_vertices(); ++v) {
    sets.make_set(v);
  }
  const auto is_in_tier = [&](const CableBundle& bundle) {
    return builder.is_switch(bundle.a) && builder.tier(bundle.a) == builder.tier(bundle.b);
  };
  for (const CableBundle& bundle : builder.bundles()) {
    if (builder.is_switch(bundle.a) && !is_in_tier(bundle)) {
      sets.union_set(bundle.a, bundle.b);
    }
  }
  for (const CableBundle& bundle : builder.bundles()) {
    if (!is_in_tier(bundle)) {
      continue;
    }
    if (sets.find_set(bundle.a) == sets.find_set(bundle.b)) {
      return Fail(FabricError(
          builder.cluster().fabric,
          fmt::format("a link between switches of one tier that closes a loop: {} - {}",
                      builder.NameOf(bundle.a), builder.NameOf(bundle.b)),
          "packets of a lossless fabric can wait for each other round it for ever: remove the "
          "link, or write loops: true to route over it all the same",
          bundle.written));
    }
    sets.union_set(bundle.a, bundle.b);
  }
  return {};
}

Status CheckPorts(const FabricGraphBuilder& builder) {
  std::vector<bool> is_joined(static_cast<size_t>(builder.num_vertices()));
  for (const CableBundle& bundle : builder.bundles()) {
    is_joined[static_cast<size_t>(bundle.a)] = true;
  }
  for (int64_t node = 0; node < builder.cluster().nodes; ++node) {
    for (size_t i = 0; i < builder.interior().nics.size(); ++i) {
      const int32_t nic = builder.nic(node, static_cast<int64_t>(i));
      if (!is_joined[static_cast<size_t>(nic)]) {
        const std::vector<WiredLink>& links = builder.cluster().fabric.links;
        return Fail(
            FabricError(builder.cluster().fabric,
                        "a port that nothing joins to the fabric: " + builder.NameOf(nic),
                        fmt::format("add a link, such as {{from: {}, to: {}}}", builder.NameOf(nic),
                                    builder.NameOf(builder.first_switch())),
                        links.front().from.written));
      }
    }
  }
  return {};
}

}  // namespace

Status CheckWiring(FabricGraphBuilder& builder) {
  const Fabric& fabric = builder.cluster().fabric;
  if (fabric.kind != FabricKind::kCustom) {
    return {};
  }
  RETURN_IF_ERROR(CheckPorts(builder));
  RETURN_IF_ERROR(FindTiers(builder));
  return fabric.loops ? Status() : CheckLoops(builder);
}

Status CheckJoined(const FabricGraphBuilder& builder) {
  const Cluster& cluster = builder.cluster();
  if (cluster.fabric.kind == FabricKind::kNone) {
    return {};
  }
  const Wiring wiring = WiringOf(builder);
  std::vector<int32_t> part(boost::num_vertices(wiring));
  boost::connected_components(wiring, part.data());
  for (size_t i = 0; i < builder.interior().nics.size(); ++i) {
    const int32_t first = builder.nic(0, static_cast<int64_t>(i));
    for (int64_t node = 1; node < cluster.nodes; ++node) {
      const int32_t nic = builder.nic(node, static_cast<int64_t>(i));
      if (part[static_cast<size_t>(nic)] == part[static_cast<size_t>(first)]) {
        continue;
      }
      const bool is_by_fault = !cluster.fabric.faults.empty();
      const FabricFault* fault = is_by_fault ? &cluster.fabric.faults.back() : nullptr;
      const WrittenAt& at =
          is_by_fault
              ? (fault->link.text.empty() ? fault->switch_name.written : fault->link.written)
          : cluster.fabric.links.empty() ? cluster.fabric.written
                                         : cluster.fabric.links.back().from.written;
      return Fail(FabricError(
          cluster.fabric,
          fmt::format("two parts of the fabric that nothing joins: {} and {}",
                      builder.NameOf(first), builder.NameOf(nic)),
          is_by_fault ? "with these faults the nodes cannot reach each other: leave one out"
                      : "add a link between their switches",
          at));
    }
  }
  return {};
}

}  // namespace ridgeline::hardware

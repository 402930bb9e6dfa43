// Any fabric that is built hangs together, carries as much each way, and is crossed by valid,
// shortest routes.
#include <algorithm>
#include <limits>
#include <queue>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "hardware/fabric_router.h"
#include "tests/hardware/built_fabrics.h"

namespace ridgeline::hardware {
namespace {

Fabric AnyFabric(int64_t nodes) {
  Fabric fabric;
  fabric.name = "any";
  fabric.kind = *rc::gen::element(FabricKind::kRailOptimized, FabricKind::kFatTree,
                                  FabricKind::kDragonflyPlus, FabricKind::kTorus);
  fabric.bandwidth = GigabytesPerSecond(*rc::gen::inRange(1, 100));
  fabric.oversubscription = 1 + 0.25 * *rc::gen::inRange(0, 12);
  fabric.pod_oversubscription = 1 + 0.5 * *rc::gen::inRange(0, 8);
  fabric.nodes_per_leaf = *rc::gen::inRange(1, 5);
  fabric.latency = Microseconds(*rc::gen::inRange(0, 10));
  fabric.routing = *rc::gen::element(FabricRouting::kAdaptive, FabricRouting::kEcmp);
  if (fabric.kind == FabricKind::kDragonflyPlus || *rc::gen::arbitrary<bool>()) {
    fabric.nodes_per_pod = fabric.nodes_per_leaf * *rc::gen::inRange(1, 5);
  }
  if (*rc::gen::arbitrary<bool>()) {
    fabric.switch_ports = *rc::gen::inRange(2, 129);
  }
  if (fabric.kind == FabricKind::kTorus) {
    const int64_t width = *rc::gen::inRange(1, 6);
    const int64_t depth = *rc::gen::inRange(1, 4);
    fabric.dimensions = {width, depth, (nodes + width * depth - 1) / (width * depth)};
  }
  return fabric;
}

Cluster AnyCluster() {
  static const Cluster shipped = ClusterOf("{nodes: dgx-h100, count: 2}").value();
  static const Cluster bridged = ClusterOf("{nodes: h100-nvl-x8, count: 2}").value();
  Cluster cluster = *rc::gen::arbitrary<bool>() ? shipped : bridged;
  cluster.nodes = *rc::gen::inRange<int64_t>(1, 40);
  cluster.node.gpus = *rc::gen::element(1, 2, 4, 6, 8);
  cluster.node.nics.count = *rc::gen::inRange(1, 13);
  cluster.fabric = AnyFabric(cluster.nodes);
  return cluster;
}

/// Hops between switches, by the plainest search.
int64_t ShortestBetween(const FabricGraph& graph, int32_t from, int32_t to) {
  std::vector<int64_t> distance(graph.vertices().size(), -1);
  std::queue<int32_t> queue;
  distance[static_cast<size_t>(from)] = 0;
  queue.push(from);
  while (!queue.empty()) {
    const int32_t at = queue.front();
    queue.pop();
    for (const int32_t link : graph.out(at)) {
      const int32_t next = graph.links()[static_cast<size_t>(link)].to;
      if (next >= graph.first_switch() && distance[static_cast<size_t>(next)] < 0) {
        distance[static_cast<size_t>(next)] = distance[static_cast<size_t>(at)] + 1;
        queue.push(next);
      }
    }
  }
  return distance[static_cast<size_t>(to)];
}

void CheckCapacities(const FabricGraph& graph) {
  for (const FabricLink& link : graph.links()) {
    RC_ASSERT(BytesPerSecond{} < link.sustained);
    RC_ASSERT(link.sustained <= link.peak);
    RC_ASSERT(BytesPerSecond{} < ResourceOf(graph, link).sustained);
  }
  // Every link of the fabric has its way back beside it, as wide.
  const auto first = static_cast<size_t>(graph.first_fabric_link());
  RC_ASSERT((graph.links().size() - first) % 2 == 0U);
  for (size_t i = first; i < graph.links().size(); i += 2) {
    const FabricLink& there = graph.links()[i];
    const FabricLink& back = graph.links()[i + 1];
    RC_ASSERT(there.from == back.to && there.to == back.from);
    RC_ASSERT(there.peak == back.peak && there.latency == back.latency);
    RC_ASSERT(ResourceOf(graph, there).is_between_switches ==
              (graph.TierOf(there.from) > 0 && graph.TierOf(there.to) > 0));
  }
}

void CheckRoute(const FabricGraph& graph, const FabricRouter& router, int64_t from, int64_t to,
                uint64_t flow, int64_t gpus_per_node) {
  std::vector<int32_t> links;
  router.AppendLinks(from, to, flow, links);
  int32_t at = graph.gpu(from / gpus_per_node, from % gpus_per_node);
  int64_t between = 0;
  int32_t first_leaf = -1;
  int32_t last_leaf = -1;
  std::set<int32_t> seen = {at};
  std::vector<int32_t> of_links;
  for (const int32_t l : links) {
    const FabricLink& link = graph.links()[static_cast<size_t>(l)];
    RC_ASSERT(link.from == at);
    at = link.to;
    RC_ASSERT(seen.insert(at).second);
    if (at >= graph.first_switch()) {
      first_leaf = first_leaf < 0 ? at : first_leaf;
      last_leaf = at;
      between += link.from >= graph.first_switch() ? 1 : 0;
    }
    if (of_links.empty() || of_links.back() != link.resource) {
      of_links.push_back(link.resource);
    }
  }
  RC_ASSERT(at == graph.gpu(to / gpus_per_node, to % gpus_per_node));
  if (first_leaf >= 0) {
    RC_ASSERT(between == ShortestBetween(graph, first_leaf, last_leaf));
  }
  std::vector<int32_t> resources;
  router.AppendRoute(from, to, flow, resources);
  RC_ASSERT(resources == of_links);
}

TEST(FabricProperty, WhatIsBuiltHangsTogetherAndIsCrossedByShortestRoutes) {
  int built = 0;
  EXPECT_TRUE(rc::check([&built] {
    const Cluster cluster = AnyCluster();
    const Result<FabricGraph> graph = FabricGraph::Of(cluster);
    if (!graph) {
      // Too few ports for so many cables, and nothing else.
      RC_ASSERT(cluster.fabric.switch_ports.has_value() ||
                cluster.fabric.kind == FabricKind::kDragonflyPlus);
      RC_ASSERT(!graph.error().hint.empty());
      return;
    }
    ++built;
    CheckCapacities(*graph);
    const FabricRouter router(
        *graph, {.pxn = *rc::gen::arbitrary<bool>(), .seed = *rc::gen::arbitrary<uint64_t>()});
    for (int i = 0; i < 8; ++i) {
      const int64_t from = *rc::gen::inRange<int64_t>(0, cluster.gpus());
      const int64_t to = *rc::gen::inRange<int64_t>(0, cluster.gpus());
      CheckRoute(*graph, router, from, to, *rc::gen::arbitrary<uint64_t>(), cluster.node.gpus);
    }
  }));
  EXPECT_GT(built, 30);
}

// What leaves a full leaf is what its ports bring over its oversubscription, in any tree.
TEST(FabricProperty, TheCutOfALeafIsItsOversubscription) {
  EXPECT_TRUE(rc::check([] {
    static const Cluster shipped = ClusterOf("{nodes: dgx-h100, count: 2}").value();
    Cluster cluster = shipped;
    cluster.fabric.nodes_per_leaf = *rc::gen::inRange(1, 9);
    cluster.nodes = 2 * cluster.fabric.nodes_per_leaf;
    cluster.fabric.switch_ports.reset();
    cluster.fabric.kind = *rc::gen::element(FabricKind::kRailOptimized, FabricKind::kFatTree);
    cluster.fabric.routing = *rc::gen::element(FabricRouting::kAdaptive, FabricRouting::kEcmp);
    cluster.fabric.oversubscription = 1 + 0.1 * *rc::gen::inRange(0, 60);
    const FabricGraph graph = FabricGraph::Of(cluster).value();
    const double down = PeakOf(graph, VertexKind::kLeaf, VertexKind::kNic);
    const double up = PeakOf(graph, VertexKind::kLeaf, VertexKind::kSpine);
    RC_ASSERT(std::abs(down / up / cluster.fabric.oversubscription - 1) < 1e-9);
  }));
}

}  // namespace
}  // namespace ridgeline::hardware

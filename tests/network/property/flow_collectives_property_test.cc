// Random collectives on random small fabrics: the same time by classes as flow by flow, and no link
// carries more than it can.
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "sim/engine/flow_engine.h"
#include "sim/network/flow_collectives.h"
#include "tests/hardware/shipped_catalog.h"

namespace ridgeline::network {
namespace {

using hardware::Cluster;
using hardware::FabricGraph;

/// dgx-a100: 8 GPUs and 8 ports; a100-pcie-x8: PCIe, 2 ports.
Cluster RandomCluster(const hardware::Catalog& catalog) {
  const int nodes = *rc::gen::inRange(2, 13);
  const std::string kind = *rc::gen::element<std::string>("fat-tree", "rail-optimized");
  const std::string node = *rc::gen::element<std::string>("dgx-a100", "a100-pcie-x8");
  const std::string text = "cluster: {nodes: " + node + ", count: " + std::to_string(nodes) +
                           ", fabric: {kind: " + kind +
                           ", bandwidth: 200 Gb/s, latency: 3 us, nodes_per_leaf: " +
                           std::to_string(*rc::gen::inRange(1, 6)) +
                           ", oversubscription: " + std::to_string(*rc::gen::inRange(1, 5)) + "}}";
  Cluster cluster =
      catalog.ResolveCluster(hardware::Written<hardware::ClusterDescription>(text, "cluster"))
          .value();
  if (*rc::gen::inRange(0, 2) == 1) {
    cluster.fabric.routing = hardware::FabricRouting::kEcmp;
    cluster.fabric.queue_pairs = *rc::gen::inRange(1, 4);
    cluster.network.seed = *rc::gen::inRange(1, 100);
  }
  cluster.network.pxn = *rc::gen::arbitrary<bool>();
  return cluster;
}

TEST(FlowCollectivesProperty, ByClassesAsFlowByFlowAndWithinCapacities) {
  const hardware::Catalog catalog = hardware::ShippedCatalog();
  EXPECT_TRUE(rc::check("fluid time of random collectives", [&] {
    const Cluster cluster = RandomCluster(catalog);
    const FabricGraph graph = FabricGraph::Of(cluster).value();
    RankGroup group;
    group.ranks_per_node = *rc::gen::inRange(1, 9);
    const int nodes = *rc::gen::inRange(1, static_cast<int>(cluster.nodes) + 1);
    group.ranks = std::max<int64_t>(2, group.ranks_per_node * nodes - *rc::gen::inRange(0, 2));
    group.node_stride = *rc::gen::inRange(1, 4);
    const auto groups = PlaceGroups(group, cluster.nodes, cluster.node.gpus);
    RC_PRE(groups.has_value());
    CollectiveTraffic pattern;
    pattern.kind = *rc::gen::element(CollectiveKind::kAllReduce, CollectiveKind::kAllGather,
                                     CollectiveKind::kReduceScatter, CollectiveKind::kAllToAll,
                                     CollectiveKind::kBroadcast, CollectiveKind::kSend);
    pattern.algorithm = *rc::gen::element(
        CollectiveAlgorithm::kRing, CollectiveAlgorithm::kTree, CollectiveAlgorithm::kNvlsTree,
        CollectiveAlgorithm::kCollNetDirect, CollectiveAlgorithm::kPat,
        CollectiveAlgorithm::kHierarchical, CollectiveAlgorithm::kTwoShot);
    pattern.bytes = 1e9;
    pattern.window = *rc::gen::inRange(0, 4);
    const auto run = [&](bool merges_classes) {
      return RunGroups(pattern, *groups, graph, cluster, SwitchLimits::kReal, engine::FlowEngine(),
                       merges_classes, {});
    };
    const Result<FluidRun> classes = run(true);
    const Result<FluidRun> flows = run(false);
    RC_ASSERT(classes.has_value() == flows.has_value());
    RC_PRE(classes.has_value());
    RC_ASSERT(std::abs(classes->time / flows->time - 1) < 1e-8);
    RC_ASSERT(std::abs(classes->load - flows->load) < 1e-6);
    RC_ASSERT(flows->load < 1 + 1e-8);
    RC_ASSERT(classes->classes <= flows->flows);
  }));
}

}  // namespace
}  // namespace ridgeline::network

// Switches, cables and capacities of built fabrics, against published tables and hand counts.
#include "hardware/fabric_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/hardware/built_fabrics.h"

namespace ridgeline::hardware {
namespace {

using enum VertexKind;

constexpr double kPort = 50e9;       // 400 Gb/s
constexpr double kSustained = 48e9;  // of such a port

struct TableRow {
  int64_t nodes;
  int64_t leaves;
  int64_t spines;
  int64_t cores;
  int64_t node_leaf;
  int64_t leaf_spine;
  int64_t spine_core;
};

void ExpectRow(const std::string& fabric, const TableRow& row) {
  const FabricGraph graph =
      GraphOf(fmt::format("{{nodes: dgx-h100, count: {}, fabric: {}}}", row.nodes, fabric));
  SCOPED_TRACE(row.nodes);
  EXPECT_EQ(CountOf(graph, kLeaf), row.leaves);
  EXPECT_EQ(CountOf(graph, kSpine), row.spines);
  EXPECT_EQ(CountOf(graph, kCore), row.cores);
  EXPECT_EQ(CablesOf(graph, kNic, kLeaf), row.node_leaf);
  EXPECT_EQ(CablesOf(graph, kLeaf, kSpine), row.leaf_spine);
  EXPECT_EQ(CablesOf(graph, kSpine, kCore), row.spine_core);
}

// DGX SuperPOD H100 reference architecture, table 4, rows of 1 to 4 units. One node's place of a
// pod goes to the fabric's manager, which has 4 cables of its own (252 = 31 x 8 + 4); uplinks stay.
TEST(FabricGraphTest, SuperPodsOfH100HaveTheSwitchesAndCablesOfTheirTable) {
  ExpectRow("rail-optimized-400g", {31, 8, 4, 0, 252 - 4, 256, 0});
  ExpectRow("rail-optimized-400g", {63, 16, 8, 0, 508 - 4, 512, 0});
  ExpectRow("rail-optimized-400g", {95, 24, 16, 0, 764 - 4, 768, 0});
  ExpectRow("rail-optimized-400g", {127, 32, 16, 0, 1020 - 4, 1024, 0});
}

// The B200 edition: two tiers up to 8 units, three from 16 on.
TEST(FabricGraphTest, SuperPodsOfB200GrowAThirdTierAsTheirTableDoes) {
  ExpectRow("rail-optimized-400g", {64, 16, 8, 0, 512, 512, 0});
  ExpectRow("rail-optimized-400g", {256, 64, 32, 0, 2048, 2048, 0});
  ExpectRow("rail-optimized-400g", {512, 128, 128, 64, 4096, 4096, 4096});
  ExpectRow("superpod-3-tiers-400g", {1024, 256, 256, 128, 8192, 8192, 8192});
  ExpectRow("superpod-b200", {2048, 512, 512, 256, 16384, 16384, 16384});
}

// Llama 3's cluster: 3,072 nodes in 8 pods of 192 racks. A rack's leaf has 16 ports down and 16 up,
// one to each of its pod's 16 spines. A pod sends 3,072 ports / 7 up: 438.9 cables' worth, 27.4 a
// spine, in 28 cables.
TEST(FabricGraphTest, MetasPodsAreWholeInsideAndSevenToOneBetween) {
  ExpectRow("meta-24k-roce", {3072, 1536, 128, 28, 24576, 24576, 8 * 16 * 28});
  const FabricGraph graph = GraphOf("{nodes: hgx-h100, count: 3072, fabric: meta-24k-roce}");
  EXPECT_NEAR(PeakOf(graph, kLeaf, kSpine), 24576 * kPort, 1e3);
  EXPECT_NEAR(PeakOf(graph, kSpine, kCore), 24576 * kPort / 7, 1e3);
}

TEST(FabricGraphTest, AClassicFatTreeOfThreeTiersIsWhole) {
  // 64-port switches: 4 nodes a leaf, 32 leaves and 32 spines a pod of 128 nodes, 2 pods; 2 x 32 x
  // 32 cables up, over 64 ports: 32 cores.
  ExpectRow("fat-tree-3-tiers-400g", {256, 64, 64, 32, 2048, 2048, 2048});
}

TEST(FabricGraphTest, OversubscriptionIsTheCutOfALeaf) {
  // 5 nodes x 8 ports = 40 down, 20 up; sprayed over, they are one resource of 20 x 48 GB/s.
  const FabricGraph graph =
      GraphOf("{nodes: dgx-h100, count: 20, fabric: fat-tree-oversubscribed-2to1-400g}");
  const FabricLink& up = LinkBetween(graph, "leaf0", "spine0");
  EXPECT_EQ(CablesOf(graph, kLeaf, kSpine), 4 * 20);
  EXPECT_NEAR(ResourceOf(graph, up).peak.base(), 40 * kPort / 2, 1);
  EXPECT_NEAR(ResourceOf(graph, up).sustained.base(), 40 * kSustained / 2, 1);
  EXPECT_TRUE(ResourceOf(graph, up).is_between_switches);
  EXPECT_EQ(up.resource, LinkBetween(graph, "leaf0", "spine1").resource);
  EXPECT_NE(up.resource, LinkBetween(graph, "leaf1", "spine0").resource);
  EXPECT_NE(up.resource, LinkBetween(graph, "spine0", "leaf0").resource);
}

TEST(FabricGraphTest, AnUplinkThatIsNoWholeNumberOfCablesCarriesItsExactShare) {
  // 2 nodes a leaf, 3:1: two thirds of a port up, in one cable.
  const FabricGraph graph = GraphOf(
      "{nodes: dgx-h100, count: 4, fabric: {base: rail-optimized-400g, nodes_per_leaf: 2, "
      "oversubscription: 3}}");
  const FabricLink& up = LinkBetween(graph, "leaf0", "spine0");
  EXPECT_EQ(up.cables, 1);
  EXPECT_NEAR(up.peak.base(), 2 * kPort / 3, 1);
}

TEST(FabricGraphTest, PodsShareTheirCablesToTheCoresUnderAdaptiveRouting) {
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 256, fabric: superpod-b200}");
  // Both spines are of pod 0: 128 nodes x 8 ports go up together.
  EXPECT_EQ(LinkBetween(graph, "spine0", "core0").resource,
            LinkBetween(graph, "spine1", "core1").resource);
  EXPECT_NEAR(ResourceOf(graph, LinkBetween(graph, "spine0", "core0")).peak.base(), 1024 * kPort,
              1e3);
}

TEST(FabricGraphTest, UnderEcmpEveryCableIsAloneUnlessItHangsOnAPort) {
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 64, fabric: roce-400g}");
  // 16 leaves x 32 cables to 8 spines: 4 links a pair of one cable each.
  int64_t between = 0;
  for (const FabricLink& link : graph.links()) {
    if (graph.TierOf(link.from) == 1 && graph.TierOf(link.to) == 2) {
      EXPECT_EQ(link.cables, 1);
      EXPECT_NEAR(ResourceOf(graph, link).peak.base(), kPort, 1);
      ++between;
    }
  }
  EXPECT_EQ(between, 512);
}

TEST(FabricGraphTest, EveryGroupOfADragonflyReachesEveryOther) {
  // 4 groups of 32 nodes: 8 leaves of 32 down and 32 up, one to each of 32 spines; 256 ports of
  // capacity go to three other groups.
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 128, fabric: dragonfly-plus-400g}");
  EXPECT_EQ(CountOf(graph, kLeaf), 32);
  EXPECT_EQ(CountOf(graph, kSpine), 128);
  EXPECT_EQ(CountOf(graph, kCore), 0);
  EXPECT_EQ(CablesOf(graph, kLeaf, kSpine), 1024);
  EXPECT_EQ(CablesOf(graph, kSpine, kSpine), 4 * 3 * (256 / 3));
  EXPECT_NEAR(PeakOf(graph, kSpine, kSpine), 4 * 256 * kPort, 1e3);
  // Between two groups: a third of what a group sends.
  for (const FabricLink& link : graph.links()) {
    if (graph.TierOf(link.from) == 2 && graph.TierOf(link.to) == 2) {
      EXPECT_NEAR(ResourceOf(graph, link).peak.base(), 256 * kPort / 3, 1e3);
    }
  }
}

TEST(FabricGraphTest, ATorusDealsANodesPortsOverItsDirections) {
  // 8 x 8: every router has 4 neighbours, 8 ports over 4 directions are 2 ports each.
  const FabricGraph flat = GraphOf("{nodes: dgx-h100, count: 64, fabric: torus-2d-400g}");
  EXPECT_EQ(CountOf(flat, kLeaf), 64);
  EXPECT_EQ(CablesOf(flat, kLeaf, kLeaf), 64 * 4 * 2);
  EXPECT_NEAR(LinkBetween(flat, "router0.0", "router7.0").peak.base(), 2 * kPort, 1);
  // 4 x 4 x 4: six neighbours, 8/6 ports each.
  const FabricGraph cube = GraphOf("{nodes: dgx-h100, count: 64, fabric: torus-3d-400g}");
  EXPECT_NEAR(LinkBetween(cube, "router0.0.0", "router0.0.3").peak.base(), 8 * kPort / 6, 1);
  EXPECT_NEAR(PeakOf(cube, kLeaf, kLeaf), 64 * 8 * kPort, 1e3);
  // In a dimension of two both ways lead to the one neighbour; one of one has none.
  const FabricGraph thin =
      GraphOf("{nodes: dgx-h100, count: 8, fabric: {base: torus-2d, dimensions: [4, 2, 1]}}");
  EXPECT_NEAR(LinkBetween(thin, "router0.0.0", "router0.1.0").peak.base(), 4 * kPort, 1);
  EXPECT_EQ(CountOf(thin, kLeaf), 8);
}

TEST(FabricGraphTest, AnNvl72RackIsOneNode) {
  const FabricGraph rack = GraphOf("{nodes: gb200-nvl72, count: 1}");
  EXPECT_EQ(CountOf(rack, kGpu), 72);
  EXPECT_EQ(CountOf(rack, kNvSwitch), 1);
  EXPECT_NEAR(LinkBetween(rack, "node0.gpu71", "node0.nvswitch").peak.base(), 900e9, 1);
  // 8 racks, 4 rails: 32 leaves of 18 ports down and 18 up; 576 cables over 64 ports: 9 spines.
  const FabricGraph racks = GraphOf("gb200-nvl72-576");
  EXPECT_EQ(CountOf(racks, kLeaf), 32);
  EXPECT_EQ(CountOf(racks, kSpine), 9);
  EXPECT_EQ(CablesOf(racks, kNic, kLeaf), 576);
  EXPECT_EQ(CablesOf(racks, kLeaf, kSpine), 576);
}

TEST(FabricGraphTest, PortsAreSharedEvenlyByTheGpusOfANode) {
  // 8 GPUs, 2 ports: four GPUs a port.
  const FabricGraph few = GraphOf("{nodes: h100-nvl-x8, count: 2}");
  EXPECT_EQ(few.interior().nics.size(), 2U);
  EXPECT_EQ(few.interior().gpus[3].nic, 0);
  EXPECT_EQ(few.interior().gpus[4].nic, 1);
  // 8 GPUs, 32 ports of 100 Gb/s: four ports a GPU, used as one of 400.
  const FabricGraph many = GraphOf(
      "{nodes: {base: dgx-h100, nics: {count: 32, bandwidth: 100 Gb/s}}, count: 2, fabric: "
      "{base: rail-optimized-100g, switch_ports: 144}}");
  EXPECT_EQ(many.interior().nics.size(), 8U);
  const FabricLink& port = LinkBetween(many, "node0.nic0", "leaf0");
  EXPECT_EQ(port.cables, 4);
  EXPECT_NEAR(ResourceOf(many, port).sustained.base(), 4 * 12e9, 1);
}

TEST(FabricGraphTest, APortRunsAtTheSlowerOfCardAndFabric) {
  const FabricGraph graph =
      GraphOf("{nodes: dgx-h100, count: 2, fabric: rail-optimized-800g}");  // cards of 400
  EXPECT_NEAR(ResourceOf(graph, LinkBetween(graph, "node0.nic0", "leaf0")).sustained.base(), 48e9,
              1);
}

TEST(FabricGraphTest, BridgedPairsHaveALinkOfTheirOwn) {
  const FabricGraph graph = GraphOf("{nodes: h100-nvl-x8, count: 1}");
  EXPECT_NEAR(LinkBetween(graph, "node0.gpu2", "node0.gpu3").peak.base(), 300e9, 1);
  EXPECT_EQ(CountOf(graph, kNvSwitch), 0);
}

TEST(FabricGraphTest, SixteenThousandGpusAreSmall) {
  const FabricGraph graph = GraphOf("h100-16384");
  // 26 parts and 96 links a node of eight, and the table's switches.
  EXPECT_EQ(graph.vertices().size(), 2048U * 26 + 512 + 512 + 256);
  const size_t bytes = graph.links().size() * sizeof(FabricLink) +
                       graph.vertices().size() * sizeof(FabricVertex) +
                       graph.resources().size() * sizeof(FabricResource);
  EXPECT_LT(bytes, size_t{32} << 20);
}

TEST(FabricGraphTest, AListedFabricIsWiredAsListed) {
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 4, fabric: dual-plane-400g}");
  EXPECT_EQ(CountOf(graph, kLeaf), 16);
  EXPECT_EQ(CountOf(graph, kSpine), 8);
  EXPECT_EQ(CablesOf(graph, kNic, kLeaf), 4 * 8 * 2);
  EXPECT_NEAR(LinkBetween(graph, "node3.nic7", "tor_a7").peak.base(), 25e9, 1);
  // 16 cables a pair, each alone under ECMP.
  EXPECT_EQ(CablesOf(graph, kLeaf, kSpine), 16 * 4 * 16);
}

}  // namespace
}  // namespace ridgeline::hardware

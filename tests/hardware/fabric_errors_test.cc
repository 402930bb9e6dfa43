// Malformed fabrics are refused where they stand, in words that say what to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hardware/sample_cluster.h"
#include "tests/hardware/built_fabrics.h"

namespace ridgeline::hardware {
namespace {

using testing::HasSubstr;

/// A scenario of two nodes of two GPUs and ports on a fabric that is written below it, from line 2
/// on, each line indented by two.
Result<FabricGraph> Build(const std::string& fabric_lines, int nodes = 2) {
  const std::string text = fmt::format(
      "cluster: {{nodes: {{base: dgx-h100, gpus: 2, nics: {{count: 2, bandwidth: 400 "
      "Gb/s}}}}, count: {}, fabric: {{\n{}}}}}\n",
      nodes, fabric_lines);
  ASSIGN_OR_RETURN(const Cluster cluster,
                   ShippedCatalog().ResolveCluster(Written<ClusterDescription>(text, "cluster")));
  return FabricGraph::Of(cluster);
}

void ExpectRefused(const std::string& fabric_lines, const std::string& place,
                   const std::string& message, const std::string& hint, int nodes = 2) {
  const Result<FabricGraph> graph = Build(fabric_lines, nodes);
  SCOPED_TRACE(fabric_lines);
  ASSERT_FALSE(graph.has_value());
  const std::string text = RenderError(graph.error());
  EXPECT_THAT(text, HasSubstr("scenario.yaml:" + place + ": error: " + message));
  EXPECT_THAT(text, HasSubstr(hint));
}

// Two switches that both nodes hang on, and a cable between them.
constexpr std::string_view kPorts =
    "  kind: custom, bandwidth: 400 Gb/s, latency: 2 us,\n"
    "  switches: [leaf0, leaf1, spine0],\n"
    "  links: [{from: 'node[*].nic0', to: leaf0}, {from: 'node[*].nic1', to: leaf1},\n";

std::string Custom(const std::string& links, const std::string& rest = "") {
  return std::string(kPorts) + "    " + links + "]" + rest;
}

TEST(FabricErrorsTest, AWholeCustomFabricIsBuilt) {
  const Result<FabricGraph> graph = Build(Custom("{from: 'leaf[0-1]', to: spine0, count: 2}"));
  ASSERT_TRUE(graph) << RenderError(graph.error());
}

TEST(FabricErrorsTest, LinksWithoutBandwidthOrWithLessThanNoLatency) {
  ExpectRefused(Custom("{from: 'leaf[0-1]', to: spine0, bandwidth: 0 Gb/s}"), "5:48",
                "bandwidth must be above 0", "cluster.fabric.links[2].bandwidth");
  ExpectRefused(Custom("{from: 'leaf[0-1]', to: spine0, bandwidth: -1 Gb/s}"), "5:48",
                "bandwidth must be above 0", "cluster.fabric.links[2].bandwidth");
  ExpectRefused(Custom("{from: 'leaf[0-1]', to: spine0, latency: -1 us}"), "5:46",
                "latency must be at least 0", "cluster.fabric.links[2].latency");
  ExpectRefused("  base: rail-optimized-400g, bandwidth: 0 Gb/s", "2:41",
                "bandwidth must be above 0", "cluster.fabric.bandwidth");
  ExpectRefused("  base: rail-optimized-400g, latency: -1 us", "2:39", "latency must be at least 0",
                "cluster.fabric.latency");
  ExpectRefused("  base: rail-optimized-400g, hop_latency: -1 us", "2:43",
                "hop_latency must be at least 0", "cluster.fabric.hop_latency");
}

TEST(FabricErrorsTest, ALinkToASwitchThatIsNotListed) {
  ExpectRefused(Custom("{from: 'leaf[0-1]', to: spin0}"), "5:29",
                "a link to a switch that is not listed: spin0", "did you mean spine0?");
  ExpectRefused(Custom("{from: 'leaf[0-2]', to: spine0}"), "5:12",
                "a link to a switch that is not listed: leaf2", "did you mean leaf0?");
}

TEST(FabricErrorsTest, ALinkToItself) {
  ExpectRefused(Custom("{from: spine0, to: spine0}"), "5:24",
                "a link from a switch to itself: spine0", "join two different switches");
}

TEST(FabricErrorsTest, LoopsWithinATier) {
  const std::string loop = "{from: 'leaf[0-1]', to: spine0}, {from: leaf0, to: leaf1}";
  ExpectRefused(Custom(loop), "5:45",
                "a link between switches of one tier that closes a loop: leaf0 - leaf1",
                "write loops: true");
  const Result<FabricGraph> graph = Build(Custom(loop, ", loops: true"));
  EXPECT_TRUE(graph) << RenderError(graph.error());
}

TEST(FabricErrorsTest, PartsThatNothingJoins) {
  // A switch that stands alone.
  ExpectRefused(Custom("{from: leaf0, to: leaf1}"), "3:28",
                "a switch that nothing joins to a port: spine0", "add a link to it");
  // Ports without a cable.
  ExpectRefused(
      "  kind: custom, bandwidth: 400 Gb/s, latency: 2 us, switches: [leaf0],\n"
      "  links: [{from: 'node[*].nic0', to: leaf0}]",
      "3:18", "a port that nothing joins to the fabric: node0.nic1",
      "{from: node0.nic1, to: leaf0}");
  // Two islands of one node each.
  ExpectRefused(
      "  kind: custom, bandwidth: 400 Gb/s, latency: 2 us, switches: [leaf0, leaf1],\n"
      "  links: [{from: 'node0.nic[*]', to: leaf0},\n"
      "    {from: 'node1.nic[*]', to: leaf1}]",
      "4:12", "two parts of the fabric that nothing joins: node0.nic0 and node1.nic0",
      "add a link between their switches");
}

TEST(FabricErrorsTest, NamesOfSwitchesAndPorts) {
  ExpectRefused(Custom("{from: 'leaf[0-', to: spine0}"), "5:12", "a bracket that is not closed",
                "write leaf[0-3] for leaf0 to leaf3");
  ExpectRefused(Custom("{from: 'leaf[1-0]', to: spine0}"), "5:12", "a range that runs backwards",
                "write leaf[0-3]");
  ExpectRefused(Custom("{from: 'leaf[a-b]', to: spine0}"), "5:12", "not a range of numbers",
                "write leaf[0-3]");
  ExpectRefused(Custom("{from: node2.nic0, to: spine0}"), "5:12", "no such node in node2.nic0: 2",
                "there are 2 nodes, from 0 to 1");
  ExpectRefused(Custom("{from: node0.nic5, to: spine0}"), "5:12",
                "no such port of a node in node0.nic5: 5", "from 0 to 1");
  ExpectRefused(Custom("{from: node0.gpu1, to: spine0}"), "5:12", "not a port of a node",
                "write node[0-7].nic[0-7]");
  ExpectRefused(Custom("{from: node0.nic0, to: node1.nic0}"), "5:28", "a link between two ports",
                "join each with a switch");
  ExpectRefused(
      "  kind: custom, bandwidth: 400 Gb/s, latency: 2 us, switches: [a, 'b[0-1]', b1],\n"
      "  links: [{from: 'node[*].nic[*]', to: a}]",
      "2:77", "a switch that is listed twice: b1", "give each its own name");
}

TEST(FabricErrorsTest, MoreNodesThanPorts) {
  // Leaves of 2 nodes with 2 cables down and 2 up, of 4: 4 leaves are all that two tiers join.
  ExpectRefused("  base: rail-optimized-400g, nodes_per_leaf: 2, switch_ports: 4, tiers: 2",
                "1:102", "more nodes than switches of 4 ports join in two tiers: 5, 4 at most",
                "write tiers: 3", 5);
  ExpectRefused("  base: rail-optimized-400g, nodes_per_leaf: 40", "1:102",
                "a leaf of 64 ports with 40 cables down and 40 up", "lower nodes_per_leaf");
  ExpectRefused("  base: torus-2d, dimensions: [2, 2]", "1:102",
                "more nodes than a torus of 2 x 2 has places: 5, 4 at most", "enlarge dimensions",
                5);
  ExpectRefused(
      "  base: dragonfly-plus-400g, nodes_per_leaf: 1, nodes_per_pod: 1, pod_oversubscription: 2",
      "1:102", "more groups than a group has cables to: 5", "write larger groups", 5);
}

TEST(FabricErrorsTest, FiguresThatDoNotFitTogether) {
  ExpectRefused("  base: fat-tree-3-tiers-400g, nodes_per_pod: 6", "2:47",
                "a pod that is no whole number of leaves of 4 nodes: 6", "make it a multiple of 4");
  ExpectRefused("  base: torus-2d, dimensions: []", "2:31", "a torus without its sizes",
                "write dimensions: [8, 8]");
  ExpectRefused("  base: torus-2d, dimensions: [0, 8]", "2:31", "a torus of such a size: 0",
                "from 1 to 4096");
  ExpectRefused("  base: rail-optimized-400g, dimensions: [8]", "2:42",
                "dimensions belongs to kind: torus", "leave it out");
  ExpectRefused("  base: rail-optimized-400g, switches: [leaf0]", "2:40",
                "switches belongs to kind: custom", "leave it out");
  ExpectRefused("  base: rail-optimized-400g, kind: custom", "1:102",
                "a custom fabric without its wiring", "write switches:");
  ExpectRefused("  base: rail-optimized-400g, rails: 3", "1:102",
                "2 ports of a node that 3 rails do not share evenly", "a divisor of 2");
  ExpectRefused("  base: rail-optimized-400g, kind: fattree", "2:36", "unknown choice: fattree",
                "fat-tree");
  ExpectRefused("  base: fat-tree-400g, tiers: 4", "2:31", "tiers must be at least 2, at most 3",
                "cluster.fabric.tiers");
}

std::string WithFault(const std::string& fault) {
  return "  base: rail-optimized-400g,\n  faults: [" + fault + "]";
}

TEST(FabricErrorsTest, FaultsOfWhatIsNotThere) {
  ExpectRefused(WithFault("{link: leaf0-spin1, state: down}"), "3:19",
                "no such part of the fabric: spin1", "did you mean spine1?", 40);
  ExpectRefused(WithFault("{switch: leaf99, state: down}"), "3:21",
                "no such part of the fabric: leaf99", "leaf", 40);
  ExpectRefused(WithFault("{link: leaf0-leaf1, state: down}"), "3:19",
                "no link joins these two: leaf0-leaf1", "-o dot shows what is joined", 40);
  ExpectRefused(WithFault("{link: node41.nic0-leaf0, state: down}"), "3:19",
                "no such part of the fabric: node41.nic0", "node0.nic0 to node39.nic1", 40);
  ExpectRefused(WithFault("{link: leaf0, state: down}"), "3:19", "a link without its two ends",
                "leaf3-spine1", 40);
  ExpectRefused(WithFault("{link: leaf0-spine0, bandwidth: 900 Tb/s}"), "3:19",
                "more left of leaf0-spine0 than its", "all its cables together", 40);
}

TEST(FabricErrorsTest, FaultsThatSayNothingOrTooMuch) {
  ExpectRefused(WithFault("{link: leaf0-spine0}"), "3:12", "a fault that changes nothing",
                "write state: down");
  ExpectRefused(WithFault("{state: down}"), "3:12", "a fault without a place",
                "{link: leaf3-spine1, state: down}");
  ExpectRefused(WithFault("{switch: spine0, bandwidth: 1 Gb/s}"), "3:12",
                "bandwidth of a switch: spine0", "only a link has one");
  ExpectRefused(WithFault("{link: leaf0-spine0, switch: spine0, state: down}"), "3:12",
                "a fault of a link and of a switch at once", "write {link:");
}

TEST(FabricErrorsTest, FaultsThatCutAFabricInTwo) {
  ExpectRefused(WithFault("{switch: leaf0, state: down}"), "3:21",
                "two parts of the fabric that nothing joins: node0.nic0 and node1.nic0",
                "with these faults the nodes cannot reach each other");
  ExpectRefused(WithFault("{link: node1.nic0-leaf0, state: down}"), "3:19",
                "two parts of the fabric that nothing joins: node0.nic0 and node1.nic0",
                "leave one out");
}

TEST(FabricErrorsTest, EveryShippedFabricIsBuiltWithItsSampleCluster) {
  const Catalog catalog = ShippedCatalog();
  for (const std::string& name : catalog.Names("fabrics")) {
    const Fabric fabric = catalog.ResolveFabric(Named<Fabric>(name)).value();
    const Result<Cluster> cluster = SampleCluster(catalog, fabric);
    ASSERT_TRUE(cluster) << RenderError(cluster.error());
    const Result<FabricGraph> graph = FabricGraph::Of(*cluster);
    EXPECT_TRUE(graph) << name << RenderError(graph.error());
  }
}

TEST(FabricErrorsTest, EveryShippedClusterIsBuilt) {
  const Catalog catalog = ShippedCatalog();
  for (const std::string& name : catalog.Names("clusters")) {
    const Result<FabricGraph> graph = TryGraphOf(name);
    EXPECT_TRUE(graph) << name << RenderError(graph.error());
  }
}

}  // namespace
}  // namespace ridgeline::hardware

// Which way messages go.
#include "hardware/fabric_router.h"

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/hardware/built_fabrics.h"

namespace ridgeline::hardware {
namespace {

using testing::ElementsAre;

std::vector<std::string> NamesAlong(const FabricGraph& graph, const FabricRouter& router,
                                    int64_t from, int64_t to, uint64_t flow = 0) {
  std::vector<int32_t> links;
  router.AppendLinks(from, to, flow, links);
  std::vector<std::string> names;
  for (const int32_t link : links) {
    names.push_back(graph.NameOf(graph.links()[static_cast<size_t>(link)].to));
  }
  return names;
}

std::vector<int32_t> Resources(const FabricRouter& router, int64_t from, int64_t to,
                               uint64_t flow = 0) {
  std::vector<int32_t> resources;
  router.AppendRoute(from, to, flow, resources);
  return resources;
}

TEST(FabricRouterTest, InANodeThroughItsSwitchAndToItselfNowhere) {
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 1}");
  const FabricRouter router(graph, {});
  EXPECT_THAT(NamesAlong(graph, router, 1, 6), ElementsAre("node0.nvswitch", "node0.gpu6"));
  EXPECT_TRUE(Resources(router, 3, 3).empty());
  EXPECT_EQ(Resources(router, 1, 6).size(), 2U);
}

TEST(FabricRouterTest, BridgedPairsTakeTheBridgeOthersTheHost) {
  const FabricGraph graph = GraphOf("{nodes: h100-nvl-x8, count: 1}");
  const FabricRouter router(graph, {});
  EXPECT_THAT(NamesAlong(graph, router, 2, 3), ElementsAre("node0.gpu3"));
  EXPECT_THAT(NamesAlong(graph, router, 3, 4), ElementsAre("node0.host", "node0.gpu4"));
}

TEST(FabricRouterTest, ARailStaysOnItsLeaf) {
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 64}");
  const FabricRouter router(graph, {});
  EXPECT_THAT(
      NamesAlong(graph, router, 3, 8 + 3),
      ElementsAre("node0.pcie3", "node0.nic3", "leaf3", "node1.nic3", "node1.pcie3", "node1.gpu3"));
  // A port and its cable are one resource.
  EXPECT_EQ(Resources(router, 3, 8 + 3).size(), 2U);
}

TEST(FabricRouterTest, AnotherRailIsReachedThroughTheGpuThatOwnsItOrAcrossTheSpines) {
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 2}");
  const FabricRouter pxn(graph, {});
  EXPECT_THAT(NamesAlong(graph, pxn, 0, 8 + 5),
              ElementsAre("node0.nvswitch", "node0.gpu5", "node0.pcie5", "node0.nic5", "leaf5",
                          "node1.nic5", "node1.pcie5", "node1.gpu5"));
  const FabricRouter direct(graph, {.pxn = false, .seed = 1});
  const std::vector<std::string> names = NamesAlong(graph, direct, 0, 8 + 5);
  ASSERT_EQ(names.size(), 8U);
  EXPECT_EQ(names[2], "leaf0");
  EXPECT_THAT(names[3], testing::StartsWith("spine"));
  EXPECT_EQ(names[4], "leaf5");
}

TEST(FabricRouterTest, WhereAllPortsOfANodeShareALeafNobodyMakesADetour) {
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 8, fabric: fat-tree-400g}");
  const FabricRouter router(graph, {});
  EXPECT_THAT(
      NamesAlong(graph, router, 0, 8 + 5),
      ElementsAre("node0.pcie0", "node0.nic0", "leaf0", "node1.nic5", "node1.pcie5", "node1.gpu5"));
}

TEST(FabricRouterTest, ThreeTiersAreUsedOnlyBetweenPods) {
  const FabricGraph graph = GraphOf("{nodes: hgx-h100, count: 768, fabric: meta-24k-roce}");
  const FabricRouter router(graph, {});
  const auto tiers = [&](int64_t from_node, int64_t to_node) {
    std::vector<int32_t> links;
    router.AppendLinks(from_node * 8, to_node * 8, 7, links);
    int32_t highest = 0;
    for (const int32_t link : links) {
      highest = std::max(highest, graph.TierOf(graph.links()[static_cast<size_t>(link)].to));
    }
    return highest;
  };
  EXPECT_EQ(tiers(0, 1), 1);      // one rack
  EXPECT_EQ(tiers(0, 2), 2);      // one pod
  EXPECT_EQ(tiers(0, 383), 2);    // likewise
  EXPECT_EQ(tiers(383, 384), 3);  // two pods
}

TEST(FabricRouterTest, LatencyIsTheFabricsAndHopsAddToIt) {
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 64}");
  EXPECT_NEAR(FabricRouter(graph, {}).LatencyOf(0, 8, 0).base(), 2.8e-6, 1e-12);
  const FabricGraph slow = GraphOf(
      "{nodes: dgx-h100, count: 64, fabric: {base: rail-optimized-400g, hop_latency: 0.25 us}}");
  // Units of 32 nodes: node 40 lies across a spine, two more hops.
  EXPECT_NEAR(FabricRouter(slow, {}).LatencyOf(0, 8 * 40, 0).base(), 3.3e-6, 1e-12);
}

TEST(FabricRouterTest, EcmpSpreadsEvenlyAndAFlowKeepsItsPath) {
  // 32 uplinks of leaf 0, 32,000 flows: 1,000 each. Chi squared of 31 degrees of freedom is below
  // 61.1 in 999 of 1,000 draws of an even spread.
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 64, fabric: roce-400g}");
  const FabricRouter router(graph, {});
  std::map<int32_t, int64_t> flows_of;
  constexpr int kFlows = 32000;
  for (int flow = 0; flow < kFlows; ++flow) {
    const auto route = Resources(router, 0, 8 * 40, static_cast<uint64_t>(flow));
    ASSERT_EQ(route.size(), 4U);
    EXPECT_EQ(route, Resources(router, 0, 8 * 40, static_cast<uint64_t>(flow)));
    ++flows_of[route[1]];
  }
  EXPECT_EQ(flows_of.size(), 32U);
  double chi_squared = 0;
  for (const auto& [resource, count] : flows_of) {
    chi_squared += static_cast<double>((count - 1000) * (count - 1000)) / 1000;
  }
  EXPECT_LT(chi_squared, 61.1);
  EXPECT_GT(chi_squared, 10);  // and is no round robin
  const FabricRouter other(graph, {.pxn = true, .seed = 2});
  int64_t moved = 0;
  for (uint64_t flow = 0; flow < 100; ++flow) {
    moved += Resources(router, 0, 320, flow) == Resources(other, 0, 320, flow) ? 0 : 1;
  }
  EXPECT_GT(moved, 80);
}

TEST(FabricRouterTest, SprayedRoutesAreTheSameForEveryFlow) {
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 256, fabric: superpod-b200}");
  const FabricRouter router(graph, {});
  const auto route = Resources(router, 0, 8 * 200);
  EXPECT_EQ(route.size(), 6U);  // port, leaf, pod, pod, leaf, port
  for (uint64_t flow = 1; flow < 50; ++flow) {
    EXPECT_EQ(route, Resources(router, 0, 8 * 200, flow));
  }
}

TEST(FabricRouterTest, ATorusGoesDimensionByDimensionTheShorterWay) {
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 64, fabric: torus-2d-400g}");
  const FabricRouter router(graph, {});
  // Node 0 is (0, 0), node 6 + 8 x 2 is (6, 2): back over 7 in x, then up in y.
  EXPECT_THAT(NamesAlong(graph, router, 0, 8 * 22),
              ElementsAre("node0.pcie0", "node0.nic0", "router0.0", "router7.0", "router6.0",
                          "router6.1", "router6.2", "node22.nic0", "node22.pcie0", "node22.gpu0"));
}

TEST(FabricRouterTest, ADragonflyCrossesOneCableBetweenGroups) {
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 256, fabric: dragonfly-plus-400g}");
  const FabricRouter router(graph, {});
  for (int64_t node = 32; node < 256; node += 13) {
    std::vector<int32_t> links;
    router.AppendLinks(0, node * 8, 1, links);
    int across = 0;
    for (const int32_t link : links) {
      const FabricLink& l = graph.links()[static_cast<size_t>(link)];
      across += graph.TierOf(l.from) == 2 && graph.TierOf(l.to) == 2 ? 1 : 0;
    }
    EXPECT_EQ(across, 1);
    EXPECT_EQ(links.size(), 4U + 2 + 3);
  }
}

TEST(FabricRouterTest, PortsOnTwoLeavesUseBoth) {
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 4, fabric: dual-plane-400g}");
  const FabricRouter router(graph, {});
  std::set<std::string> leaves;
  for (uint64_t flow = 0; flow < 64; ++flow) {
    leaves.insert(NamesAlong(graph, router, 0, 8, flow)[2]);
  }
  EXPECT_THAT(leaves, ElementsAre("tor_a0", "tor_b0"));
}

TEST(FabricRouterTest, WhatIsDownIsNotUsedAndWhatIsDegradedIsNarrower) {
  const FabricGraph graph = GraphOf(
      "{nodes: dgx-h100, count: 64, fabric: {base: roce-400g, faults: [{switch: spine2, state: "
      "down}, {link: leaf0-spine3, state: down}, {link: leaf0-spine1, bandwidth: 100 Gb/s}]}}");
  const FabricRouter router(graph, {});
  std::set<std::string> spines;
  for (uint64_t flow = 0; flow < 500; ++flow) {
    spines.insert(NamesAlong(graph, router, 0, 8 * 40, flow)[3]);
  }
  EXPECT_EQ(spines.size(), 6U);
  EXPECT_FALSE(spines.contains("spine2") || spines.contains("spine3"));
  // Four cables of 400 Gb/s have 100 Gb/s left together.
  EXPECT_NEAR(LinkBetween(graph, "leaf0", "spine1").peak.base(), 12.5e9 / 4, 1);
  EXPECT_NEAR(LinkBetween(graph, "leaf0", "spine1").sustained.base(), 12e9 / 4, 1);
}

TEST(FabricRouterTest, UnderAdaptiveRoutingAFaultNarrowsThePool) {
  const FabricGraph graph = GraphOf(
      "{nodes: dgx-h100, count: 64, fabric: {base: rail-optimized-400g, faults: [{switch: spine2, "
      "state: down}]}}");
  // One of eight spines is gone: 32 x 48 GB/s x 7/8.
  EXPECT_NEAR(ResourceOf(graph, LinkBetween(graph, "leaf0", "spine0")).sustained.base(),
              32 * 48e9 * 7 / 8, 1e3);
}

TEST(FabricRouterTest, RailsWithoutSpinesAreJoinedThroughTheNodes) {
  const FabricGraph graph = GraphOf(
      "{nodes: dgx-h100, count: 2, fabric: {kind: custom, bandwidth: 400 Gb/s, latency: 2 us, "
      "switches: ['rail[0-7]'], links: [{from: 'node[*].nic0', to: rail0}, {from: "
      "'node[*].nic1', to: rail1}, {from: 'node[*].nic2', to: rail2}, {from: 'node[*].nic3', to: "
      "rail3}, {from: 'node[*].nic4', to: rail4}, {from: 'node[*].nic5', to: rail5}, {from: "
      "'node[*].nic6', to: rail6}, {from: 'node[*].nic7', to: rail7}]}}");
  const FabricRouter direct(graph, {.pxn = false, .seed = 1});
  EXPECT_THAT(NamesAlong(graph, direct, 0, 8 + 5), testing::Contains("rail5"));
}

TEST(FabricRouterTest, ThreadsFindTheSameRoutes) {
  const FabricGraph graph = GraphOf("{nodes: dgx-h100, count: 256, fabric: roce-400g}");
  const FabricRouter router(graph, {});
  std::vector<std::vector<int32_t>> routes(4);
  {
    std::vector<std::jthread> threads;
    for (auto& route : routes) {
      threads.emplace_back([&router, &route] {
        for (int64_t gpu = 1; gpu < 2048; gpu += 5) {
          router.AppendRoute(0, gpu, static_cast<uint64_t>(gpu), route);
        }
      });
    }
  }
  for (const auto& route : routes) {
    EXPECT_EQ(route, routes.front());
  }
}

}  // namespace
}  // namespace ridgeline::hardware

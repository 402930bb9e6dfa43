// Collectives and transfers that share an oversubscribed fabric: the max-min share, by hand.
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sim/engine/flow_engine.h"
#include "sim/network/alpha_beta.h"
#include "sim/network/collective_plan.h"
#include "sim/network/flow_collectives.h"
#include "sim/network/shared_traffic.h"
#include "tests/hardware/shipped_catalog.h"

namespace ridgeline::network {
namespace {

using hardware::Cluster;
using workloads::TrafficItem;
using Kind = CollectiveKind;

Cluster Tree(int64_t nodes, const std::string& keys) {
  const std::string text = "cluster: {nodes: dgx-h100, count: " + std::to_string(nodes) +
                           ", fabric: {kind: fat-tree, bandwidth: 400 Gb/s, latency: 3 us, " +
                           keys + "}}";
  return hardware::ShippedCatalog()
      .ResolveCluster(hardware::Written<hardware::ClusterDescription>(text, "cluster"))
      .value();
}

std::unique_ptr<const FlowCollectives> Flows(const Cluster& cluster) {
  auto flows = FlowCollectives::Make(
      cluster, std::make_unique<AlphaBetaCollectives>(WithoutContention(cluster)),
      std::make_shared<engine::FlowEngine>(), true);
  EXPECT_TRUE(flows.has_value()) << flows.error().message;
  return std::move(flows).value();
}

Collective Of(Kind kind, CollectiveAlgorithm algorithm, const RankGroup& group) {
  return {.kind = kind,
          .bytes = Gigabytes(16),
          .group = group,
          .algorithm = algorithm,
          .protocol = CollectiveProtocol::kChosen};
}

Collective Ring(const RankGroup& group) {
  return Of(Kind::kAllReduce, CollectiveAlgorithm::kRing, group);
}

double RatioOf(const FlowCollectives& flows, const Collective& collective) {
  const Result<Contention> contention = flows.ContentionOf(collective);
  EXPECT_TRUE(contention.has_value()) << contention.error().message;
  return contention ? contention->ratio : 0.0;
}

// A leaf of 8 nodes has 64 ports of b down and 64 b/r up. Groups of one rank a node, m of them on
// a leaf: 64/m rings cross its border, each once: rate m b/r, slowdown max(1, r/m). (m = 8: 8 rings
// want 8 b of 64 b/r.)
TEST(FlowContentionTest, RingsAcrossLeavesSlowByOversubscriptionOverMembersALeaf) {
  for (const double r : {2.0, 4.0}) {
    const auto flows =
        Flows(Tree(32, "oversubscription: " + std::to_string(r) + ", nodes_per_leaf: 8"));
    for (const int64_t m : {1, 2, 4, 8}) {
      // m ranks on each of 4 leaves: every (8/m)-th node.
      const double ratio = RatioOf(*flows, Ring({.ranks = 4 * m, .node_stride = 8 / m}));
      EXPECT_NEAR(ratio, std::max(1.0, r / static_cast<double>(m)), 1e-6) << r << " " << m;
    }
  }
}

// Leaves of 7 nodes, as many as Llama 3's 7:1 asks for: no loss with 7 a leaf, 7 with 1.
TEST(FlowContentionTest, SevenToOneCostsNothingWithSevenMembersALeaf) {
  const auto flows = Flows(Tree(28, "oversubscription: 7, nodes_per_leaf: 7"));
  EXPECT_EQ(RatioOf(*flows, Ring({.ranks = 28})), 1.0);
  EXPECT_NEAR(RatioOf(*flows, Ring({.ranks = 4, .node_stride = 7})), 7.0, 1e-6);
}

// Whole nodes: 8 rings a group, one a rail, each crossing each border once: 8 b of 64 b/2 up.
TEST(FlowContentionTest, ARingOverWholeNodesHardlyLeavesItsLeaf) {
  const auto flows = Flows(Tree(16, "oversubscription: 2, nodes_per_leaf: 8"));
  EXPECT_EQ(RatioOf(*flows, Ring({.ranks = 128, .ranks_per_node = 8})), 1.0);
}

// Every node of a leaf sends to the same node of the next leaf: 64 flows want 64 b of 64 b/2: 2.
TEST(FlowContentionTest, SendsAcrossTheTreeGetTheirShare) {
  const auto flows = Flows(Tree(16, "oversubscription: 2, nodes_per_leaf: 8"));
  EXPECT_NEAR(RatioOf(*flows, Of(Kind::kSend, CollectiveAlgorithm::kPairwise,
                                 {.ranks = 2, .node_stride = 8})),
              2.0, 1e-6);
  EXPECT_EQ(RatioOf(*flows, Of(Kind::kSend, CollectiveAlgorithm::kPairwise, {.ranks = 2})), 1.0);
}

// Stages lie two nodes apart and all send at once: of a leaf of four nodes two send to the next
// leaf, 16 b, over an uplink of which b/8 is left: 128.
TEST(FlowContentionTest, APipelineMeetsAnUplinkAtFaultBetweenItsStages) {
  const auto flows = Flows(
      Tree(8, "nodes_per_leaf: 4, spines: 1, faults: [{link: leaf0-spine0, bandwidth: 50 Gb/s}]"));
  EXPECT_NEAR(RatioOf(*flows, Of(Kind::kSend, CollectiveAlgorithm::kPairwise,
                                 {.ranks = 2, .node_stride = 2})),
              128.0, 1e-6);
}

// Uniform all-to-all, n ranks on p leaves, q = n/p a leaf, all on ports of their own. A port sends
// (n - 1)/n S at b; a leaf's uplink carries q (n - q)/n S of each group at (q b)/r: slowdown
// r (n - q)/(n - 1), which tends to r (p - 1)/p. Here p = 4, q = 8, n = 32, r = 2:
// 2 x 24/31 = 1.548.
TEST(FlowContentionTest, AllToAllSlowsByTheShareThatLeavesTheLeaf) {
  const auto flows = Flows(Tree(32, "oversubscription: 2, nodes_per_leaf: 8"));
  EXPECT_NEAR(RatioOf(*flows, Of(Kind::kAllToAll, CollectiveAlgorithm::kPairwise, {.ranks = 32})),
              2.0 * 24 / 31, 1e-6);
  // Whole nodes: what leaves a node is (n - 8)/n S a port, what leaves a leaf (n - 64)/n S:
  // 2 x (256 - 64)/(256 - 8) = 1.548 again.
  EXPECT_NEAR(RatioOf(*flows, Of(Kind::kAllToAll, CollectiveAlgorithm::kPairwise,
                                 {.ranks = 256, .ranks_per_node = 8})),
              2.0 * 192 / 248, 1e-6);
}

// Four spines, one of them down: three quarters of what a leaf sends up, with rings of one rank a
// leaf: 4/3. Nothing is oversubscribed otherwise.
TEST(FlowContentionTest, ASpineThatIsDownTakesItsShareOfTheUplinks) {
  const auto flows =
      Flows(Tree(32, "nodes_per_leaf: 8, spines: 4, faults: [{switch: spine0, state: down}]"));
  EXPECT_NEAR(RatioOf(*flows, Ring({.ranks = 4, .node_stride = 8})), 4.0 / 3, 1e-6);
  EXPECT_EQ(RatioOf(*flows, Ring({.ranks = 8, .node_stride = 4})), 1.0);
}

// 64 cables up, 16 to each of four spines; what joins leaf0 and spine0 is cut from 16 x 48 to 8 x
// 48 GB/s sustained (400 GB/s of peak 800): leaf0 sends 56 of 64. Whoever leaves leaf0 waits:
// 64/56.
TEST(FlowContentionTest, ADegradedUplinkSlowsItsLeaf) {
  const Cluster cluster =
      Tree(32, "nodes_per_leaf: 8, spines: 4, faults: [{link: leaf0-spine0, bandwidth: 400 GB/s}]");
  const auto flows = Flows(cluster);
  const Contention contention = flows->ContentionOf(Ring({.ranks = 4, .node_stride = 8})).value();
  EXPECT_NEAR(contention.ratio, 64.0 / 56, 1e-6);
  EXPECT_NE(contention.bottleneck.find("leaf0"), std::string::npos) << contention.bottleneck;
  EXPECT_NEAR(contention.load, 1.0, 1e-6);
}

// The price: latency and ramp stay, the wire part takes the ratio; nothing changes in a node.
TEST(FlowContentionTest, OnlyTheWirePartGrows) {
  const Cluster cluster = Tree(32, "oversubscription: 2, nodes_per_leaf: 8");
  const auto flows = Flows(cluster);
  const AlphaBetaCollectives alone(WithoutContention(cluster));
  const Collective ring = Ring({.ranks = 4, .node_stride = 8});
  const CollectivePlan plan = PlanOf(ring, cluster);
  const Cost price = flows->Price(ring).value();
  EXPECT_NEAR(price.mean.base(), (plan.latency + plan.ramp + 2 * plan.wire).base(),
              1e-4 * plan.wire.base());
  EXPECT_GE(price.evidence, Evidence::kExtrapolated);
  const Collective inside =
      Of(Kind::kAllReduce, CollectiveAlgorithm::kChosen, {.ranks = 8, .ranks_per_node = 8});
  EXPECT_EQ(flows->CostOf(inside).mean, alone.CostOf(inside).mean);
  // Linear in bytes, from one run.
  Collective half = ring;
  half.bytes = Gigabytes(8);
  EXPECT_NEAR(flows->Price(half).value().mean.base() - PlanOf(half, cluster).latency.base(),
              0.5 * (price.mean - plan.latency).base(), 0.01 * price.mean.base());
}

// A job that does not fit is an error with a sentence, not a crash.
TEST(FlowContentionTest, AGroupLargerThanTheClusterIsRefused) {
  const auto flows = Flows(Tree(16, "nodes_per_leaf: 8"));
  const Result<Cost> price = flows->Price(Ring({.ranks = 32}));
  ASSERT_FALSE(price.has_value());
  EXPECT_EQ(price.error().code, ErrorCode::kInvalidArgument);
}

workloads::GpuSet NodesFrom(int64_t first, int64_t nodes, int64_t stride = 1) {
  workloads::GpuSet set;
  set.first_node = first;
  set.nodes = nodes;
  set.stride = stride;
  return set;
}

TrafficItem Send(const std::string& name, int64_t from, int64_t to, int64_t nodes,
                 double gigabytes) {
  TrafficItem item;
  item.name = name;
  item.collective = Kind::kSend;
  item.bytes = Gigabytes(gigabytes);
  item.on = NodesFrom(from, nodes);
  item.to = NodesFrom(to, nodes);
  return item;
}

std::vector<std::vector<ItemRun>> Share(const Cluster& cluster, std::vector<TrafficItem> items) {
  const hardware::FabricGraph graph = hardware::FabricGraph::Of(cluster).value();
  const auto runs = RunTraffic(items, cluster, graph, engine::FlowEngine(), true, {});
  EXPECT_TRUE(runs.has_value()) << runs.error().message;
  return runs.value();
}

// Leaves of 4 nodes, 2:1: 32 ports of 50 GB/s down, 16 up. One job sends from two nodes across: 16
// flows at 50, alone no loss: 5 GB in 0.1 s. Two such jobs have half each: 0.2 s both. When the
// second sends half as much, it ends at 0.1 s and the first has its other half alone: 0.15 s.
TEST(FlowContentionTest, TwoJobsThatShareTheSpinesHaveHalfEach) {
  const Cluster cluster = Tree(8, "oversubscription: 2, nodes_per_leaf: 4");
  const double latency = Share(cluster, {Send("a", 0, 4, 2, 5.0)})[0][0].end.base() - 0.1;
  EXPECT_GT(latency, 0);
  EXPECT_LT(latency, 1e-4);
  const auto both = Share(cluster, {Send("a", 0, 4, 2, 5.0), Send("b", 2, 6, 2, 5.0)});
  EXPECT_NEAR(both[0][0].end.base(), 0.2 + latency, 1e-8);
  EXPECT_NEAR(both[1][0].end.base(), 0.2 + latency, 1e-8);
  const auto uneven = Share(cluster, {Send("a", 0, 4, 2, 5.0), Send("b", 2, 6, 2, 2.5)});
  EXPECT_NEAR(uneven[1][0].end.base(), 0.1 + latency, 2e-6);
  EXPECT_NEAR(uneven[0][0].end.base(), 0.15 + latency, 2e-6);
}

// KV caches beside a collective. A job's rings over a node of each leaf: 8 flows, one a rail, leave
// leaf 0. Two other nodes send their caches across: 16 flows. 24 flows share 16 ports' worth of
// uplinks, two thirds of a port each: the transfers take 1.5 times as long.
TEST(FlowContentionTest, TransfersBesideACollectiveGetTheMaxMinShare) {
  const Cluster cluster = Tree(8, "oversubscription: 2, nodes_per_leaf: 4");
  TrafficItem ring;
  ring.name = "ring";
  ring.collective = Kind::kAllGather;
  ring.bytes = Gigabytes(64);
  ring.on = NodesFrom(0, 2, 4);
  std::vector<TrafficItem> transfer = {Send("kv", 2, 6, 2, 1.2)};
  transfer[0].start = Seconds::FromBase(0.1);  // when the ring's latency and ramp are over
  const double alone = Share(cluster, transfer)[0][0].end.base();
  const auto runs = Share(cluster, {ring, transfer[0]});
  const double wire = 1.2 / 50;
  EXPECT_NEAR(runs[1][0].end.base() - alone, 0.5 * wire, 1e-8);
  EXPECT_GT(runs[0][0].end, runs[1][0].end);  // the ring ran all the while
}

// Repetitions follow one another, latency included.
TEST(FlowContentionTest, RepetitionsFollowOneAnother) {
  const Cluster cluster = Tree(8, "nodes_per_leaf: 4");
  TrafficItem item = Send("a", 0, 4, 1, 4.8);
  item.repeat = 3;
  item.start = Seconds::FromBase(1.0);
  const auto runs = Share(cluster, {item});
  ASSERT_EQ(runs[0].size(), 3U);
  const double once = (runs[0][0].end - runs[0][0].begin).base();
  EXPECT_EQ(runs[0][0].begin.base(), 1.0);
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(runs[0][i].begin, runs[0][i - 1].end);
    EXPECT_NEAR((runs[0][i].end - runs[0][i].begin).base(), once, 1e-9);
  }
}

TEST(FlowContentionTest, UnequalPairsAreRefused) {
  const Cluster cluster = Tree(8, "nodes_per_leaf: 4");
  const hardware::FabricGraph graph = hardware::FabricGraph::Of(cluster).value();
  std::vector<TrafficItem> items = {Send("kv", 0, 4, 2, 1.0)};
  items[0].to->nodes = 3;
  EXPECT_FALSE(RunTraffic(items, cluster, graph, engine::FlowEngine(), true, {}).has_value());
  items[0].pattern = workloads::TransferPattern::kSpread;
  EXPECT_TRUE(RunTraffic(items, cluster, graph, engine::FlowEngine(), true, {}).has_value());
}

// One queue pair may collide with others under ECMP: never faster than sprayed, and the same for
// the same seed. Collapsed and expanded runs agree on hashed routes too.
TEST(FlowContentionTest, HashedFlowsAreNoFasterThanSprayedOnes) {
  const Cluster sprayed = Tree(16, "nodes_per_leaf: 4, spines: 8");
  Cluster hashed = sprayed;
  hashed.fabric.routing = hardware::FabricRouting::kEcmp;
  const Collective ring = Ring({.ranks = 4, .node_stride = 4});
  EXPECT_EQ(RatioOf(*Flows(sprayed), ring), 1.0);
  const double ratio = RatioOf(*Flows(hashed), ring);
  EXPECT_GT(ratio, 1.0);
  EXPECT_EQ(RatioOf(*Flows(hashed), ring), ratio);
  const auto expanded =
      FlowCollectives::Make(hashed,
                            std::make_unique<AlphaBetaCollectives>(WithoutContention(hashed)),
                            std::make_shared<engine::FlowEngine>(), false)
          .value();
  EXPECT_NEAR(RatioOf(*expanded, ring), ratio, 1e-6);
}

// 16,384 H100 in a hierarchical all-reduce: classes are positions in a leaf of 32 nodes, not GPUs.
// The budget is 10 s on an idle core and 2 GiB; tests/bench/collective_flow_bench.cc prints both.
TEST(FlowContentionTest, AHierarchyOver16384GpusIsAFewHundredClasses) {
  const Cluster cluster =
      hardware::ShippedCatalog()
          .ResolveCluster(hardware::Named<hardware::ClusterDescription>("h100-16384"))
          .value();
  const Contention all = Flows(cluster)
                             ->ContentionOf(Of(Kind::kAllReduce, CollectiveAlgorithm::kHierarchical,
                                               {.ranks = 16384, .ranks_per_node = 8}))
                             .value();
  EXPECT_EQ(all.flows, 3 * 16384);
  EXPECT_LE(all.classes, 1000);
  EXPECT_EQ(all.ratio, 1.0);
}

// Uniform all-to-all over 256 GPUs, sprayed: 65,280 flows are classes by what they cross: within a
// node; to the own rail in a leaf, by way of NVLink to another's, and across leaves alike.
TEST(FlowContentionTest, AllToAllIsAsManyClassesAsKindsOfPath) {
  const Cluster cluster =
      hardware::ShippedCatalog()
          .ResolveCluster(hardware::Named<hardware::ClusterDescription>("h100-256"))
          .value();
  const Contention all = Flows(cluster)
                             ->ContentionOf(Of(Kind::kAllToAll, CollectiveAlgorithm::kPairwise,
                                               {.ranks = 256, .ranks_per_node = 8}))
                             .value();
  EXPECT_EQ(all.flows, 256 * 255);
  EXPECT_LE(all.classes, 5);
  EXPECT_EQ(all.ratio, 1.0);
}

}  // namespace
}  // namespace ridgeline::network

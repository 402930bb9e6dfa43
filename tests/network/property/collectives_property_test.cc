// INV-6 for collectives: nothing beats the wire, on any shipped cluster; time grows with bytes.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "sim/network/alpha_beta.h"
#include "sim/network/collective_plan.h"
#include "tests/hardware/shipped_catalog.h"

namespace ridgeline::network {
namespace {

using hardware::Cluster;
using hardware::ClusterDescription;

CollectiveKind AnyKind() {
  return *rc::gen::element(CollectiveKind::kAllReduce, CollectiveKind::kAllGather,
                           CollectiveKind::kReduceScatter, CollectiveKind::kAllToAll,
                           CollectiveKind::kBroadcast, CollectiveKind::kSend);
}

Bytes AnyBytes() {
  const int shift = *rc::gen::inRange(0, 34);
  return Bytes::FromBase(static_cast<double>(*rc::gen::inRange<int64_t>(1, (int64_t{2} << shift))));
}

/// A group that the cluster can hold.
RankGroup AnyGroup(const Cluster& cluster, CollectiveKind kind) {
  if (kind == CollectiveKind::kSend) {
    const bool is_inside = cluster.nodes == 1 || *rc::gen::arbitrary<bool>();
    return {.ranks = 2, .ranks_per_node = is_inside ? 2 : 1};
  }
  const int64_t per_node = *rc::gen::inRange<int64_t>(1, cluster.node.gpus + 1);
  const int64_t most = per_node * cluster.nodes;
  return {.ranks = *rc::gen::inRange<int64_t>(1, most + 1), .ranks_per_node = per_node};
}

/// Any algorithm and protocol, mostly the library's own choice.
Collective AnyCollective(const Cluster& cluster, CollectiveKind kind, Bytes bytes) {
  Collective collective{.kind = kind, .bytes = bytes, .group = AnyGroup(cluster, kind)};
  if (*rc::gen::inRange(0, 3) > 0) {
    return collective;
  }
  collective.algorithm = static_cast<CollectiveAlgorithm>(*rc::gen::inRange(0, 12));
  collective.protocol = static_cast<CollectiveProtocol>(*rc::gen::inRange(0, 4));
  if (!CheckPlan(collective, cluster)) {
    collective.algorithm = CollectiveAlgorithm::kChosen;
    collective.protocol = CollectiveProtocol::kChosen;
  }
  return collective;
}

class CollectivesProperty : public testing::Test {
 protected:
  static std::vector<Cluster> Clusters() {
    const hardware::Catalog catalog = hardware::ShippedCatalog();
    std::vector<Cluster> clusters;
    for (const std::string& name : catalog.Names("clusters")) {
      clusters.push_back(catalog.ResolveCluster(hardware::Named<ClusterDescription>(name)).value());
    }
    for (const std::string& name : catalog.Names("nodes")) {
      const std::string text = "cluster: {nodes: " + name + ", count: 40}";
      clusters.push_back(
          catalog.ResolveCluster(hardware::Written<ClusterDescription>(text, "cluster")).value());
    }
    // Every library, with and without a fabric that adds and forwarding to rails.
    const size_t count = clusters.size();
    int variant = 0;
    for (const std::string& name : catalog.Names("collectives")) {
      for (size_t i = 0; i < count; ++i) {
        Cluster cluster = clusters[i];
        cluster.network.library = name;
        cluster.network.sharp = ++variant % 2 == 0;
        cluster.network.pxn = variant % 3 != 0;
        cluster.collectives = catalog.ResolveCollectives(name).value();
        clusters.push_back(std::move(cluster));
      }
    }
    return clusters;
  }
  const std::vector<Cluster> clusters_ = Clusters();
};

TEST_F(CollectivesProperty, NothingBeatsTheWireAndRangesAreOrdered) {
  EXPECT_TRUE(rc::check([this] {
    const CollectiveKind kind = AnyKind();
    const Bytes bytes = AnyBytes();
    for (const Cluster& cluster : clusters_) {
      const Collective collective = AnyCollective(cluster, kind, bytes);
      const AlphaBetaCollectives collectives(cluster);
      const Cost cost = collectives.CostOf(collective);
      if (collective.group.ranks == 1) {
        RC_ASSERT(cost.high == Seconds{});
        continue;
      }
      RC_ASSERT(Seconds{} < collectives.BoundOf(collective));
      RC_ASSERT(collectives.BoundOf(collective) <= cost.low);
      RC_ASSERT(cost.low <= cost.mean);
      RC_ASSERT(cost.mean <= cost.high);
    }
  }));
}

// The parts of a plan are no less than nothing and name what does it.
TEST_F(CollectivesProperty, PlansNameWhatDoesThem) {
  EXPECT_TRUE(rc::check([this] {
    const CollectiveKind kind = AnyKind();
    const Bytes bytes = AnyBytes();
    for (const Cluster& cluster : clusters_) {
      const Collective collective = AnyCollective(cluster, kind, bytes);
      if (collective.group.ranks == 1) {
        continue;
      }
      const CollectivePlan plan = PlanOf(collective, cluster);
      RC_ASSERT(plan.algorithm != CollectiveAlgorithm::kChosen);
      RC_ASSERT(plan.protocol != CollectiveProtocol::kChosen);
      RC_ASSERT(plan.channels >= 1 && plan.channels <= 64);
      RC_ASSERT(Seconds{} < plan.latency && Seconds{} < plan.wire && Seconds{} <= plan.ramp);
      RC_ASSERT(collective.algorithm == CollectiveAlgorithm::kChosen ||
                collective.algorithm == plan.algorithm);
    }
  }));
}

TEST_F(CollectivesProperty, MoreBytesNeverTakeLess) {
  EXPECT_TRUE(rc::check([this] {
    const CollectiveKind kind = AnyKind();
    Bytes less = AnyBytes();
    Bytes more = AnyBytes();
    if (more < less) {
      std::swap(less, more);
    }
    for (const Cluster& cluster : clusters_) {
      Collective collective = AnyCollective(cluster, kind, less);
      const AlphaBetaCollectives collectives(cluster);
      const Cost small = collectives.CostOf(collective);
      collective.bytes = more;
      const Cost large = collectives.CostOf(collective);
      // Sums of the same terms in floating point: equal to the last bits.
      RC_ASSERT(small.mean <= large.mean * (1 + 1e-12));
      RC_ASSERT(small.low <= large.low * (1 + 1e-12));
      RC_ASSERT(small.high <= large.high * (1 + 1e-12));
    }
  }));
}

}  // namespace
}  // namespace ridgeline::network

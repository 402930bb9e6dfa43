// INV-6 for collectives: nothing beats the wire, on any shipped cluster; time grows with bytes.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "sim/network/alpha_beta.h"
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
    return clusters;
  }
  const std::vector<Cluster> clusters_ = Clusters();
};

TEST_F(CollectivesProperty, NothingBeatsTheWireAndRangesAreOrdered) {
  EXPECT_TRUE(rc::check([this] {
    const CollectiveKind kind = AnyKind();
    const Bytes bytes = AnyBytes();
    for (const Cluster& cluster : clusters_) {
      const Collective collective{.kind = kind, .bytes = bytes, .group = AnyGroup(cluster, kind)};
      const AlphaBetaCollectives collectives(cluster);
      const Cost cost = collectives.CostOf(collective);
      if (collective.group.ranks == 1) {
        RC_ASSERT(cost.high == Seconds{});
        continue;
      }
      RC_ASSERT(Seconds{} < collectives.BoundOf(collective));
      RC_ASSERT(cost.low == collectives.BoundOf(collective));
      RC_ASSERT(cost.low <= cost.mean);
      RC_ASSERT(cost.mean <= cost.high);
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
      const RankGroup group = AnyGroup(cluster, kind);
      const AlphaBetaCollectives collectives(cluster);
      const Cost small = collectives.CostOf({.kind = kind, .bytes = less, .group = group});
      const Cost large = collectives.CostOf({.kind = kind, .bytes = more, .group = group});
      // Sums of the same terms in floating point: equal to the last bits.
      RC_ASSERT(small.mean <= large.mean * (1 + 1e-12));
      RC_ASSERT(small.low <= large.low * (1 + 1e-12));
      RC_ASSERT(small.high <= large.high * (1 + 1e-12));
    }
  }));
}

}  // namespace
}  // namespace ridgeline::network

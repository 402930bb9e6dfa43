/// The flow engine against SimGrid: two solvers, written apart, on the same traffic.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/engine/flow_engine.h"
#include "tests/simgrid/installed_simgrid.h"
#include "tests/simgrid/random_traffic.h"

namespace ridgeline::network {
namespace {

using engine::FlowTimes;
using engine::Traffic;

struct Both {
  FlowTimes ours;
  FlowTimes simgrids;
};

Both SolveTwice(const Traffic& traffic) {
  Result<FlowTimes> ours = engine::FlowEngine().Run(traffic, Stop());
  Result<FlowTimes> simgrids = kSimgrid.Run(traffic, Stop());
  EXPECT_TRUE(ours.has_value()) << (ours ? "" : ours.error().message);
  EXPECT_TRUE(simgrids.has_value()) << (simgrids ? "" : simgrids.error().message);
  return {ours ? *std::move(ours) : FlowTimes(), simgrids ? *std::move(simgrids) : FlowTimes()};
}

/// Sizes, starts, delays and caps of a set, drawn anew for each.
Spread RandomSpread(RandomStream& random) {
  Spread spread;
  spread.flows = static_cast<int>(random.UniformInteger(2, 160));
  spread.bytes = std::pow(10.0, random.Uniform(3, 9));
  spread.jitter = random.Uniform(0, 0.9);
  const double alone = spread.bytes / 50e9;
  spread.stagger = random.Uniform() < 0.3 ? 0.0 : alone * random.Uniform(0, 8);
  spread.delay = random.Uniform() < 0.5 ? 0.0 : alone * random.Uniform(0, 1);
  spread.capped = random.Uniform() < 0.5 ? 0.0 : random.Uniform();
  return spread;
}

Traffic RandomSet(RandomStream& random, int kind) {
  const Spread spread = RandomSpread(random);
  const auto draw = [&](int low, int high) {
    return static_cast<int>(random.UniformInteger(low, high));
  };
  if (kind == 0) {
    return RandomPeers(random, {.hosts = draw(2, 64)}, spread);
  }
  if (kind == 1) {
    const int leaves = draw(2, 8);
    return RandomPeers(random,
                       {.hosts = leaves * draw(1, 8),
                        .leaves = leaves,
                        .spines = draw(1, 8),
                        .spine_rate = random.Uniform() < 0.5 ? 50e9 : random.Uniform(10e9, 100e9)},
                       spread);
  }
  return RandomLinks(random, draw(1, 80), spread);
}

// 1 % is asked of each flow. What is seen is the picosecond to which both round: a few in a chain
// of a hundred ends, which a flow of 1 KB (20 ns) feels most.
TEST(AgreementTest, EveryFlowOfTwoHundredRandomSetsEndsWhenSimgridSays) {
  NEED_SIMGRID();
  RandomStream random(20261123, "agreement");
  Difference worst;
  int64_t flows = 0;
  for (int set = 0; set < 201; ++set) {
    const Traffic traffic = RandomSet(random, set % 3);
    const Both both = SolveTwice(traffic);
    ASSERT_EQ(both.ours.begin, both.simgrids.begin) << set;
    const Difference difference = WorstDifference(both.ours, both.simgrids);
    EXPECT_LT(difference.share, 1e-3) << set;
    worst.share = std::max(worst.share, difference.share);
    worst.picoseconds = std::max(worst.picoseconds, difference.picoseconds);
    flows += traffic.num_flows();
  }
  fmt::print("worst of {} flows: {:.1e} of the time that it ran; {} ps\n", flows, worst.share,
             worst.picoseconds);
}

constexpr TwoTier kOversubscribed{.hosts = 64, .leaves = 8, .spines = 4};  // 2:1
constexpr TwoTier kFullBisection{.hosts = 32, .leaves = 4, .spines = 8};

void ExpectSameMakespan(const char* what, const Traffic& traffic) {
  const Both both = SolveTwice(traffic);
  const double difference = MakespanDifference(both.ours, both.simgrids);
  EXPECT_LT(difference, 0.01) << what;
  fmt::print("{}: makespans {:.1e} apart\n", what, difference);
}

// Where flows wait for flows, rounding decides who is first, and that who waits: single flows drift
// apart, in SimGrid too when one flow starts a picosecond later. Makespans hold, but for windows of
// one over an oversubscribed tree (study/chaos_test.cc).
TEST(AgreementTest, RingsEndTogether) {
  NEED_SIMGRID();
  RandomStream random(20261123, "ring");
  ExpectSameMakespan("ring, 2:1", Ring(random, kOversubscribed, 126, 1e6));
  ExpectSameMakespan("ring, 1:1", Ring(random, kFullBisection, 62, 3e5));
}

TEST(AgreementTest, TreesEndTogether) {
  NEED_SIMGRID();
  RandomStream random(20261123, "tree");
  ExpectSameMakespan("tree, 2:1", Tree(random, kOversubscribed, 32, 1e6));
  ExpectSameMakespan("tree, 1:1", Tree(random, kFullBisection, 16, 3e5));
}

TEST(AgreementTest, WindowedAllToAllsEndTogether) {
  NEED_SIMGRID();
  RandomStream random(20261123, "all-to-all");
  for (const double jitter : {0.0, 0.1}) {
    for (const int window : {1, 2, 4, 8}) {
      ExpectSameMakespan(fmt::format("all-to-all, 1:1, window {}, {}", window, jitter).c_str(),
                         WindowedAllToAll(random, kFullBisection, window, 1e6, jitter));
    }
    for (const int window : {2, 4, 8}) {
      ExpectSameMakespan(fmt::format("all-to-all, 2:1, window {}, {}", window, jitter).c_str(),
                         WindowedAllToAll(random, kOversubscribed, window, 1e6, jitter));
    }
  }
}

}  // namespace
}  // namespace ridgeline::network

/// Windows of one over an oversubscribed tree, where each end decides who goes next: the makespan
/// is chaotic. One flow that starts a picosecond later moves SimGrid's own by 1 to 3 %, so no
/// solver can be held to another's single run; the mean over draws can.
#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/engine/flow_engine.h"
#include "tests/simgrid/installed_simgrid.h"
#include "tests/simgrid/random_traffic.h"

namespace ridgeline::network {
namespace {

using engine::Traffic;

constexpr int kDraws = 48;

/// The same, but that the first flow starts a picosecond later.
Traffic Nudged(const Traffic& traffic) {
  Traffic nudged({traffic.capacities().begin(), traffic.capacities().end()});
  for (engine::FlowIndex i = 0; i < traffic.num_flows(); ++i) {
    engine::FlowSpec flow = traffic.flow(i);
    flow.start += i == 0 ? 1 : 0;
    nudged.AddFlow(flow, traffic.path(i), traffic.predecessors(i));
  }
  return nudged;
}

class ChaosTest : public testing::TestWithParam<double> {};

TEST_P(ChaosTest, TheMeanMakespanOfDrawsIsSimgrids) {
  NEED_SIMGRID();
  const TwoTier fabric{.hosts = 64, .leaves = 8, .spines = 4};
  std::vector<double> to_simgrid;
  std::vector<double> to_itself;
  double ours_sum = 0.0;
  double simgrids_sum = 0.0;
  for (int draw = 0; draw < kDraws; ++draw) {
    RandomStream random(static_cast<uint64_t>(draw), "chaos");
    const Traffic traffic = WindowedAllToAll(random, fabric, 1, 1e6, GetParam());
    const auto ours = engine::FlowEngine().Run(traffic, Stop());
    const auto simgrids = kSimgrid.Run(traffic, Stop());
    const auto nudged = kSimgrid.Run(Nudged(traffic), Stop());
    ASSERT_TRUE(ours && simgrids && nudged);
    to_simgrid.push_back(MakespanDifference(*ours, *simgrids));
    to_itself.push_back(MakespanDifference(*nudged, *simgrids));
    ours_sum += static_cast<double>(ours->makespan);
    simgrids_sum += static_cast<double>(simgrids->makespan);
  }
  std::sort(to_simgrid.begin(), to_simgrid.end());
  std::sort(to_itself.begin(), to_itself.end());
  const double median = to_simgrid[kDraws / 2];
  const double own_median = to_itself[kDraws / 2];
  fmt::print(
      "sizes within {:.0f} %: ours to SimGrid median {:.2f} %, worst {:.2f} %; SimGrid to "
      "itself, nudged, {:.2f} % and {:.2f} %; means {:+.2f} % apart\n",
      100 * GetParam(), 100 * median, 100 * to_simgrid.back(), 100 * own_median,
      100 * to_itself.back(), 100 * (ours_sum / simgrids_sum - 1));
  EXPECT_NEAR(ours_sum / simgrids_sum, 1, 0.01);
  EXPECT_LT(median, 2 * own_median);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ChaosTest, testing::Values(0.0, 0.1));

}  // namespace
}  // namespace ridgeline::network

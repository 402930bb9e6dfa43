#include "sim/training/host_chain.h"

#include <gtest/gtest.h>

#include "sim/training/host_cost.h"

namespace ridgeline::training {
namespace {

using engine::Picoseconds;

/// When the GPU ends a chain that it comes to at `gpu` and its host at `host`.
Picoseconds EndOf(const HostChain& chain, Picoseconds gpu, Picoseconds host) {
  return std::max(gpu, host + chain.lead) + chain.device;
}

// The host issues at 5 and 12; the GPU runs 5..7 and 12..15. It waits 5 and again 5: all of it
// before the chain, which is 5 long.
TEST(HostChainTest, AHostBoundPairEndsWithItsLastLaunch) {
  const HostChain pair = HostChain::Of(5, 2).Then(HostChain::Of(7, 3));
  EXPECT_EQ(pair, (HostChain{.device = 5, .host = 12, .lead = 10}));
  EXPECT_EQ(EndOf(pair, 0, 0), 15);
}

// Issued at 1 and 3; the GPU runs 1..11 and 11..20: it waits for the first launch only.
TEST(HostChainTest, ADeviceBoundPairWaitsForItsFirstLaunchOnly) {
  const HostChain pair = HostChain::Of(1, 10).Then(HostChain::Of(2, 9));
  EXPECT_EQ(pair, (HostChain{.device = 19, .host = 3, .lead = 1}));
  EXPECT_EQ(EndOf(pair, 0, 0), 20);
  // A GPU still busy until 8 hides the launch.
  EXPECT_EQ(EndOf(pair, 8, 0), 27);
}

// Issued at 4, 6 and 20: 4..14, 14..15, then a wait of 5, 20..21. From a GPU busy until 30 nothing
// of it shows.
TEST(HostChainTest, AMixedChainWaitsWhereTheHostFallsBehind) {
  const HostChain chain = HostChain::Of(4, 10).Then(HostChain::Of(2, 1)).Then(HostChain::Of(14, 1));
  EXPECT_EQ(chain, (HostChain{.device = 12, .host = 20, .lead = 9}));
  EXPECT_EQ(EndOf(chain, 0, 0), 21);
  EXPECT_EQ(EndOf(chain, 30, 0), 42);
}

// The collective is issued at 3 and runs 3..13, the operation at 5 and runs 5..9; both are over at
// 13, ten after the first launch.
TEST(HostChainTest, ACollectiveBesideAnOperationIsLaunchedFirst) {
  const HostChain pair = HostChain::Beside(HostChain::Of(3, 10), HostChain::Of(2, 4));
  EXPECT_EQ(pair, (HostChain{.device = 10, .host = 5, .lead = 3}));
  // A short one is over before the operation is issued at 5: 5..9, of which 4 are work.
  EXPECT_EQ(HostChain::Beside(HostChain::Of(3, 1), HostChain::Of(2, 4)),
            (HostChain{.device = 4, .host = 5, .lead = 5}));
}

TEST(HostChainTest, WithoutHostTimeNothingWaits) {
  const HostChain chain = HostChain::Of(0, 10).Then(HostChain::Of(0, 3)).Repeated(7);
  EXPECT_EQ(chain, (HostChain{.device = 91, .host = 0, .lead = 0}));
}

// Host times spread by a quarter; each end of the range is a chain of its own.
TEST(CostedChainTest, RangesComposeEndByEnd) {
  const compute::Duration host = HostDuration(Seconds::FromBase(4e-12));
  EXPECT_EQ(host.at, (std::array<Picoseconds, 3>{4, 3, 5}));
  const CostedChain chain = CostedChain::Of(host, {{10, 2, 20}}).Repeated(2);
  EXPECT_EQ(chain.total.at, (std::array<Picoseconds, 3>{20, 4, 40}));
  EXPECT_EQ(chain.host.at, (std::array<Picoseconds, 3>{8, 6, 10}));
  EXPECT_EQ(chain.lead.at, (std::array<Picoseconds, 3>{4, 4, 5}));  // at the low end 6 - 2
}

}  // namespace
}  // namespace ridgeline::training

// Rates worked out by hand.
#include "sim/engine/max_min_sharing.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/check.h"

namespace ridgeline::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Path = std::vector<Traffic::Crossing>;
using Capacities = std::vector<double>;

TEST(MaxMinSharingTest, FlowsOfOneLinkShareItEqually) {
  MaxMinSharing sharing(Capacities{30});
  const auto a = sharing.Add(kUncapped, Path{{.link = 0}});
  sharing.Solve();
  EXPECT_EQ(sharing.rate(a), 30);
  const auto b = sharing.Add(kUncapped, Path{{.link = 0}});
  const auto c = sharing.Add(kUncapped, Path{{.link = 0}});
  sharing.Solve();
  EXPECT_THAT((std::vector{sharing.rate(a), sharing.rate(b), sharing.rate(c)}),
              ElementsAre(10, 10, 10));
  sharing.Remove(b);
  sharing.Solve();
  EXPECT_THAT((std::vector{sharing.rate(a), sharing.rate(c)}), ElementsAre(15, 15));
}

TEST(MaxMinSharingTest, ParkingLot) {
  // One flow over three links of 10, one more on each: 5 each.
  MaxMinSharing sharing(Capacities{10, 10, 10});
  const auto through = sharing.Add(kUncapped, Path{{.link = 0}, {.link = 1}, {.link = 2}});
  std::vector<MaxMinSharing::Slot> locals;
  for (const LinkIndex link : {0, 1, 2}) {
    locals.push_back(sharing.Add(kUncapped, Path{{.link = link}}));
  }
  sharing.Solve();
  EXPECT_EQ(sharing.rate(through), 5);
  for (const auto local : locals) {
    EXPECT_EQ(sharing.rate(local), 5);
  }
  // Link 1 at 4: 2 each there, and 8 for the locals of the others.
  sharing.SetCapacity(1, 4);
  sharing.Solve();
  EXPECT_EQ(sharing.rate(through), 2);
  EXPECT_EQ(sharing.rate(locals[0]), 8);
  EXPECT_EQ(sharing.rate(locals[1]), 2);
  EXPECT_EQ(sharing.rate(locals[2]), 8);
  // And back.
  sharing.SetCapacity(1, 10);
  sharing.Solve();
  EXPECT_EQ(sharing.rate(through), 5);
  EXPECT_EQ(sharing.rate(locals[2]), 5);
}

TEST(MaxMinSharingTest, WhatOneFlowLeavesGoesToTheOthers) {
  // Link 0 of 10 with a, b; link 1 of 3 with b, c: b and c at 1.5, a at 8.5.
  MaxMinSharing sharing(Capacities{10, 3});
  const auto a = sharing.Add(kUncapped, Path{{.link = 0}});
  const auto b = sharing.Add(kUncapped, Path{{.link = 0}, {.link = 1}});
  const auto c = sharing.Add(kUncapped, Path{{.link = 1}});
  sharing.Solve();
  EXPECT_EQ(sharing.rate(a), 8.5);
  EXPECT_EQ(sharing.rate(b), 1.5);
  EXPECT_EQ(sharing.rate(c), 1.5);
  EXPECT_EQ(sharing.group(a), 0);
  EXPECT_EQ(sharing.group(b), 1);
}

TEST(MaxMinSharingTest, CountsWeighWhatALinkCarriesNotTheRate) {
  // 1 r + 2 r = 30: members go at 10 each, the second class of them loads 20.
  MaxMinSharing sharing(Capacities{30});
  const auto single = sharing.Add(kUncapped, Path{{.link = 0, .count = 1}});
  const auto twice = sharing.Add(kUncapped, Path{{.link = 0, .count = 2}});
  sharing.Solve();
  EXPECT_EQ(sharing.rate(single), 10);
  EXPECT_EQ(sharing.rate(twice), 10);
}

TEST(MaxMinSharingTest, ALinkCrossedTwiceCarriesTwice) {
  MaxMinSharing sharing(Capacities{30});
  const auto flow = sharing.Add(kUncapped, Path{{.link = 0}, {.link = 0}});
  sharing.Solve();
  EXPECT_EQ(sharing.rate(flow), 15);
  sharing.Remove(flow);
  const auto other = sharing.Add(kUncapped, Path{{.link = 0}});
  sharing.Solve();
  EXPECT_EQ(sharing.rate(other), 30);
}

TEST(MaxMinSharingTest, ACapLeavesTheRestToOthers) {
  MaxMinSharing sharing(Capacities{30});
  const auto capped = sharing.Add(4, Path{{.link = 0}});
  const auto free = sharing.Add(kUncapped, Path{{.link = 0}});
  const auto loose = sharing.Add(20, Path{{.link = 0}});
  sharing.Solve();
  EXPECT_EQ(sharing.rate(capped), 4);
  EXPECT_EQ(sharing.rate(free), 13);
  EXPECT_EQ(sharing.rate(loose), 13);
  sharing.Remove(free);  // 26 would be left for the third, which takes 20
  sharing.Solve();
  EXPECT_EQ(sharing.rate(loose), 20);
  EXPECT_EQ(sharing.rate(capped), 4);
}

TEST(MaxMinSharingTest, NothingToHoldAFlowBackIsAnInfiniteRate) {
  MaxMinSharing sharing(Capacities{kUncapped});
  const auto nowhere = sharing.Add(kUncapped, Path{});
  const auto wide = sharing.Add(kUncapped, Path{{.link = 0}});
  sharing.Solve();
  EXPECT_EQ(sharing.rate(nowhere), kUncapped);
  EXPECT_EQ(sharing.rate(wide), kUncapped);
  EXPECT_EQ(sharing.group(wide), -1);
  sharing.SetCapacity(0, 5);
  sharing.Solve();
  EXPECT_EQ(sharing.rate(wide), 5);
  sharing.SetCapacity(0, kUncapped);
  sharing.Solve();
  EXPECT_EQ(sharing.rate(wide), kUncapped);
}

TEST(MaxMinSharingTest, AFlowThatWasSlowElsewhereIsHeldBackByALinkThatFills) {
  // a at 25 in link 0, which b joins with another bottleneck: link 1 of 4 with d: b at 2, a at 28.
  // Then link 1 widens to 60 and b would take 30: link 0 holds both back at 15 and d takes 45.
  MaxMinSharing sharing(Capacities{30, 4});
  const auto a = sharing.Add(kUncapped, Path{{.link = 0}});
  const auto b = sharing.Add(kUncapped, Path{{.link = 0}, {.link = 1}});
  const auto d = sharing.Add(kUncapped, Path{{.link = 1}});
  sharing.Solve();
  EXPECT_EQ(sharing.rate(a), 28);
  EXPECT_EQ(sharing.rate(b), 2);
  sharing.SetCapacity(1, 60);
  sharing.Solve();
  EXPECT_EQ(sharing.rate(a), 15);
  EXPECT_EQ(sharing.rate(b), 15);
  EXPECT_EQ(sharing.rate(d), 45);
}

TEST(MaxMinSharingTest, AChangeTouchesOnlyWhatItCanAffect) {
  // A chain of 100 links of 10, flow i on links i and i+1: all at 5. A change at the far end stays
  // there: the last flow's end gives its neighbour's link room, but the neighbour's other link is
  // full as well.
  MaxMinSharing sharing(Capacities(100, 10.0));
  std::vector<MaxMinSharing::Slot> flows;
  for (LinkIndex link = 0; link + 1 < 100; ++link) {
    flows.push_back(sharing.Add(kUncapped, Path{{.link = link}, {.link = link + 1}}));
  }
  sharing.Solve();
  EXPECT_EQ(sharing.rate(flows[98]), 5);
  const int64_t opened = sharing.num_opened();
  sharing.Remove(flows[98]);
  sharing.Solve();
  EXPECT_EQ(sharing.rate(flows[97]), 5);
  EXPECT_LE(sharing.num_opened() - opened, 2);
  EXPECT_THAT(sharing.changed(), IsEmpty());
}

TEST(MaxMinSharingTest, ReportsWhoChangedAndWhoIsHeldBackTogether) {
  MaxMinSharing sharing(Capacities{10, 10});
  const auto a = sharing.Add(kUncapped, Path{{.link = 0}});
  const auto b = sharing.Add(kUncapped, Path{{.link = 1}});
  sharing.Solve();
  EXPECT_THAT(sharing.changed(), UnorderedElementsAre(a, b));
  const auto c = sharing.Add(kUncapped, Path{{.link = 1}});
  sharing.Solve();
  EXPECT_THAT(sharing.changed(), UnorderedElementsAre(b, c));
  EXPECT_THAT(sharing.settled(), ElementsAre(1));
  EXPECT_EQ(sharing.members(1).size(), 2u);
  sharing.Solve();
  EXPECT_THAT(sharing.changed(), IsEmpty());
}

TEST(MaxMinSharingTest, RefusesWhatIsNotThere) {
  MaxMinSharing sharing(Capacities{10});
  EXPECT_THROW(sharing.Add(kUncapped, Path{{.link = 1}}), InternalError);
  EXPECT_THROW(sharing.Add(0, Path{{.link = 0}}), InternalError);
  EXPECT_THROW(sharing.SetCapacity(0, -1), InternalError);
  const auto flow = sharing.Add(kUncapped, Path{{.link = 0}});
  sharing.Remove(flow);
  EXPECT_THROW(sharing.Remove(flow), InternalError);
  EXPECT_THROW(MaxMinSharing(Capacities{-1}), InternalError);
}

}  // namespace
}  // namespace ridgeline::engine

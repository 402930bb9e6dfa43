// Collectives beside computation, by hand: computation 1.15 times as long, collectives 1.83 times.
#include "sim/training/contention.h"

#include <gtest/gtest.h>

namespace ridgeline::training {
namespace {

using compute::Duration;

Duration Exactly(engine::Picoseconds span) { return {{span, span, span}}; }

// 1,000 of collective take 1,830 beside 10,000 of computation: 1,830 / 1.15 = 1,591.3 of it are
// computed meanwhile, 238.7 later than alone.
TEST(ContentionTest, ACoveredCollectiveIsSlowedAndSlows) {
  BesideCollectives beside;
  Duration collective = Exactly(1000);
  beside.Begin(collective);
  EXPECT_EQ(beside.Compute(Exactly(10000))[compute::Bound::kMean], 239);
  EXPECT_EQ(collective[compute::Bound::kMean], 1830);
  EXPECT_EQ(beside.Compute(Exactly(10000))[compute::Bound::kMean], 0);
}

// 2,000 of computation take 2,300 beside a longer collective, of which 2,300 / 1.83 = 1,256.8 are
// over then: 1,043.2 later than alone. The rest of it runs alone.
TEST(ContentionTest, CoveredComputationTakesItsFactor) {
  BesideCollectives beside;
  Duration collective = Exactly(5000);
  beside.Begin(collective);
  EXPECT_EQ(beside.Compute(Exactly(2000))[compute::Bound::kHigh], 300);
  EXPECT_EQ(collective[compute::Bound::kHigh], 6043);
}

// Each of two of 1,000 is slowed as the one of the first test.
TEST(ContentionTest, CollectivesFollowOneAnother) {
  BesideCollectives beside;
  Duration first = Exactly(1000);
  Duration second = Exactly(1000);
  beside.Begin(first);
  beside.Begin(second);
  EXPECT_EQ(beside.Compute(Exactly(10000))[compute::Bound::kLow], 477);
  EXPECT_EQ(first[compute::Bound::kLow], 1830);
  EXPECT_EQ(second[compute::Bound::kLow], 1830);
}

}  // namespace
}  // namespace ridgeline::training

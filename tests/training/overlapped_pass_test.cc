// A forward beside a backward, by hand. Unless said otherwise exchanges hold no multiprocessors, so
// that nobody slows anybody.
#include "sim/training/overlapped_pass.h"

#include <gtest/gtest.h>

namespace ridgeline::training {
namespace {

Duration Exactly(engine::Picoseconds span) { return {{span, span, span}}; }

CostedStep Computes(engine::Picoseconds span, engine::Picoseconds host = 0) {
  CostedStep step{.name = "product"};
  step.duration = Exactly(span);
  step.host = Exactly(host);
  step.load = {.arithmetic = 1};
  return step;
}

CostedStep Exchanges(engine::Picoseconds span, CollectiveLoad load = {.pace = 0}) {
  CostedStep step{.name = "exchange", .cause = Cause::kExpertParallel, .is_collective = true};
  step.duration = Exactly(span);
  step.collective_load = load;
  return step;
}

CostedPass PassOf(std::vector<CostedStep> steps) {
  CostedPass pass;
  pass.steps = std::move(steps);
  SumPass(pass);
  return pass;
}

/// One layer beside one.
PassPair OverlappedPair(const CostedPass& forward, const CostedPass& backward) {
  const CostedPass* const first = &forward;
  const CostedPass* const second = &backward;
  return OverlapPasses({&first, 1}, {&second, 1});
}

// Nothing to hide: 300 + 600.
TEST(OverlappedPassTest, WithoutExchangesBothFollowOneAnother) {
  const PassPair pair = OverlappedPair(PassOf({Computes(300)}), PassOf({Computes(600)}));
  EXPECT_EQ(pair.total[Bound::kMean], 900);
  EXPECT_EQ(pair.causes.at[0][Cause::kMatmul], 900);
  EXPECT_EQ(pair.causes.at[0][Cause::kExpertParallel], 0);
}

// B 10, then F 100 with B's 80 beside it; B 200 with F's 80 beside; F 100 with B's 80 beside; B 150
// with F's 80; F 10: 570, all that is computed.
TEST(OverlappedPassTest, ExchangesHideBehindTheOtherMicroBatch) {
  const CostedPass forward =
      PassOf({Computes(100), Exchanges(80), Computes(100), Exchanges(80), Computes(10)});
  const CostedPass backward =
      PassOf({Computes(10), Exchanges(80), Computes(200), Exchanges(80), Computes(150)});
  const PassPair pair = OverlappedPair(forward, backward);
  EXPECT_EQ(pair.total[Bound::kMean], 570);
  EXPECT_EQ(pair.causes.at[0][Cause::kExpertParallel], 0);
  EXPECT_EQ(pair.causes.at[0].total(), 570);
}

// Exchanges of 500 each: B 10, then B's first from 10 to 510 with F 100 beside it until 110; F's
// from 510 to 1010 with B 200 beside it; B's second to 1510, F 100 beside; F's to 2010, B 150
// beside; F 10: 2020, of which 570 are computed.
TEST(OverlappedPassTest, LongExchangesAreExposed) {
  const CostedPass forward =
      PassOf({Computes(100), Exchanges(500), Computes(100), Exchanges(500), Computes(10)});
  const CostedPass backward =
      PassOf({Computes(10), Exchanges(500), Computes(200), Exchanges(500), Computes(150)});
  const PassPair pair = OverlappedPair(forward, backward);
  EXPECT_EQ(pair.total[Bound::kHigh], 2020);
  EXPECT_EQ(pair.causes.at[2][Cause::kExpertParallel], 1450);
}

// A quarter of the multiprocessors: F 1000 beside B's exchange of 400 takes 63 longer (as
// contention_test.cc has it), then B 100.
TEST(OverlappedPassTest, BothAreSlowedWhileTheyRunTogether) {
  const CollectiveLoad quarter = {.multiprocessors = 0.25};
  const PassPair pair =
      OverlappedPair(PassOf({Computes(1000)}), PassOf({Exchanges(400, quarter), Computes(100)}));
  EXPECT_EQ(pair.total[Bound::kMean], 1163);
  EXPECT_EQ(pair.causes.at[0][Cause::kExpertParallel], 63);
}

// The host issues B's 50, then F's 50: 50 must be issued before B begins, and F's 50 while B's 10
// run: 100 - 10 ahead.
TEST(OverlappedPassTest, TheHostsLeadCoversBoth) {
  const PassPair pair = OverlappedPair(PassOf({Computes(300, 50)}), PassOf({Computes(10, 50)}));
  EXPECT_EQ(pair.host[Bound::kMean], 100);
  EXPECT_EQ(pair.lead[Bound::kMean], 90);
}

}  // namespace
}  // namespace ridgeline::training

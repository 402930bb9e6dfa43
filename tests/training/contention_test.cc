// Collectives beside computation, by hand: where they hold a quarter of the multiprocessors,
// arithmetic takes 1 / (1 - 0.55 · 0.25) = 1.15942 times as long and they 1.15 times.
#include "sim/training/contention.h"

#include <gtest/gtest.h>

#include "scenarios.h"

namespace ridgeline::training {
namespace {

using compute::Bound;
using compute::Duration;

constexpr ComputeLoad kArithmetic = {.arithmetic = 1};
constexpr CollectiveLoad kQuarter = {.multiprocessors = 0.25};

Duration Exactly(engine::Picoseconds span) { return {{span, span, span}}; }

// 1,000 of collective take 1,150 beside 10,000 of computation: 1,150 · 0.8625 = 991.9 of it
// are computed meanwhile, 158.1 later than alone.
TEST(ContentionTest, ACoveredCollectiveIsSlowedAndSlows) {
  BesideCollectives beside;
  Duration collective = Exactly(1000);
  beside.Begin(collective, kQuarter);
  EXPECT_EQ(beside.Compute(Exactly(10000), kArithmetic)[Bound::kMean], 158);
  EXPECT_EQ(collective[Bound::kMean], 1150);
  EXPECT_EQ(beside.Compute(Exactly(10000), kArithmetic)[Bound::kMean], 0);
}

// 2,000 of computation take 2,318.8 beside a longer collective, of which 2,318.8 / 1.15 = 2,016.4
// are over then: 302.5 later than alone. The rest of it runs alone.
TEST(ContentionTest, CoveredComputationTakesItsFactor) {
  BesideCollectives beside;
  Duration collective = Exactly(5000);
  beside.Begin(collective, kQuarter);
  EXPECT_EQ(beside.Compute(Exactly(2000), kArithmetic)[Bound::kHigh], 319);
  EXPECT_EQ(collective[Bound::kHigh], 5302);
}

// Each of two of 1,000 is slowed as the one of the first test.
TEST(ContentionTest, CollectivesFollowOneAnother) {
  BesideCollectives beside;
  Duration first = Exactly(1000);
  Duration second = Exactly(1000);
  beside.Begin(first, kQuarter);
  beside.Begin(second, kQuarter);
  EXPECT_EQ(beside.Compute(Exactly(10000), kArithmetic)[Bound::kLow], 316);
  EXPECT_EQ(first[Bound::kLow], 1150);
  EXPECT_EQ(second[Bound::kLow], 1150);
}

// Beside kernels of 500 it waits 0.55 · 500 = 275 for multiprocessors, slowing nobody.
TEST(ContentionTest, ACollectiveWaitsForAKernelToGiveWay) {
  BesideCollectives beside;
  Duration collective = Exactly(1000);
  beside.Begin(collective, kQuarter);
  EXPECT_EQ(beside.Compute(Exactly(10000), {.arithmetic = 1, .kernel = 500})[Bound::kMean], 158);
  EXPECT_EQ(collective[Bound::kMean], 1425);
}

// A fifth of the memory: 1 / (1 - 0.85 · 0.2) = 1.2048 for what memory binds; the collective then
// takes 1.15 + 0.4 = 1.55 times as long. One at half the pace would take 0.78: it has slack.
TEST(ContentionTest, MemoryIsShared) {
  const ComputeLoad memory = {.memory = 1};
  const TogetherFactors factors = FactorsOf(memory, {.multiprocessors = 0.25, .memory = 0.2});
  EXPECT_NEAR(factors.computation, 1.2048, 1e-4);
  EXPECT_NEAR(factors.collective, 1.55, 1e-9);
  EXPECT_EQ(FactorsOf(memory, {.memory = 0.2, .pace = 0.5}).collective, 1.0);
}

// Half of the time computes, half waits: half of what the whole would lose.
TEST(ContentionTest, WhatWaitsLosesNothing) {
  EXPECT_NEAR(FactorsOf({.arithmetic = 0.5}, kQuarter).computation, 1 + 0.15942 / 2, 1e-5);
  EXPECT_EQ(FactorsOf({}, kQuarter).collective, 1.0);
}

// 400 of collective take 460; of computation 396.75 are done meanwhile, and 603.25 follow.
TEST(ContentionTest, BothOfAPairAreLengthened) {
  Duration computation = Exactly(1000);
  Duration collective = Exactly(400);
  RunTogether(kArithmetic, computation, kQuarter, collective);
  EXPECT_EQ(computation[Bound::kMean], 1063);
  EXPECT_EQ(collective[Bound::kMean], 460);
}

// Of 300 whose kernels are 10 long and 100 whose are 50, a random moment meets 20; a quarter is
// bound by memory.
TEST(ContentionTest, LoadsJoinByTime) {
  ComputeLoad load = {.arithmetic = 1, .kernel = 10};
  load.Join(300, {.memory = 1, .kernel = 50}, 100);
  EXPECT_DOUBLE_EQ(load.arithmetic, 0.75);
  EXPECT_DOUBLE_EQ(load.memory, 0.25);
  EXPECT_DOUBLE_EQ(load.kernel, 20);
}

// Two GPUs of an H100 node, 24 channels on 132 multiprocessors: 256 MiB all-reduced in 1 ms are
// sent once, 268 GB/s, above 0.6 of 450 GB/s to the nearest percent; by engines nothing is held.
TEST(ContentionTest, LoadsFollowFromWhatACollectiveSends) {
  const compute::OperationTime time =
      compute::OperationTime::Analytic(MustResolve(SmallJob(2, 1, 1, 4, 1)).cluster);
  const RankGroup pair = {.ranks = 2, .ranks_per_node = 2};
  const Duration millisecond = Exactly(1'000'000'000);
  const Collective reduce = {CollectiveKind::kAllReduce, Bytes::FromBase(268435456), pair,
                             DType::kBf16};
  const CollectiveLoad load = LoadOf(reduce, millisecond, std::nullopt, time);
  EXPECT_NEAR(load.multiprocessors, time.ChannelsOf(reduce) / 132.0, 1e-9);
  EXPECT_NEAR(load.pace, 0.994, 1e-3);
  const CollectiveLoad copied = LoadOf(reduce, millisecond, 0, time);
  EXPECT_EQ(copied.multiprocessors, 0);
  EXPECT_LT(copied.memory, load.memory);
  EXPECT_EQ(FactorsOf(kArithmetic, copied).collective, 1.0);
}

}  // namespace
}  // namespace ridgeline::training

#include "sim/training/checkpoint_interval.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/random.h"

namespace ridgeline::training {
namespace {

Seconds S(double seconds) { return Seconds::FromBase(seconds); }

// M = 100, t + s = 10, no recovery: 100 (e^0.1 - 1) = 10.517092.
TEST(CheckpointIntervalTest, ExpectedTimeIsTheClosedForm) {
  const FailureModel model = {
      .mean_between = S(100), .recovery = S(0), .stall = S(2), .write_behind = S(0)};
  EXPECT_NEAR(ExpectedTime(model, S(8)).base(), 10.517092, 1e-6);
  EXPECT_NEAR(EffectiveTimeRatio(model, S(8)), 8 / 10.517092, 1e-6);
}

// r = 20: e^0.2 = 1.221403 times as long.
TEST(CheckpointIntervalTest, RecoveryMultiplies) {
  const FailureModel model = {
      .mean_between = S(100), .recovery = S(20), .stall = S(2), .write_behind = S(0)};
  EXPECT_NEAR(ExpectedTime(model, S(8)).base(), 10.517092 * 1.221403, 1e-5);
}

TEST(CheckpointIntervalTest, OptimumIsLeastOfAll) {
  for (const double stall : {0.1, 5.0, 50.0}) {
    const FailureModel model = {
        .mean_between = S(1000), .recovery = S(60), .stall = S(stall), .write_behind = S(0)};
    const Seconds best = OptimalInterval(model);
    const double ratio = EffectiveTimeRatio(model, best);
    for (const double k : {0.5, 0.9, 0.99, 1.01, 1.1, 2.0}) {
      EXPECT_LT(EffectiveTimeRatio(model, best * k), ratio) << stall << " " << k;
    }
  }
}

// s = 1, M = 10,000. Young: sqrt(2 * 1 * 10,000) = 141.4214. Daly: 141.4214 (1 + 0.00707107 / 3 +
// 0.00005 / 9) - 1 = 140.7555. The optimum solves 1 - t/M = e^(-(t + 1)/M): 140.7555.
TEST(CheckpointIntervalTest, YoungAndDalyApproachTheOptimumForRareFailures) {
  const FailureModel model = {
      .mean_between = S(10000), .recovery = S(0), .stall = S(1), .write_behind = S(0)};
  EXPECT_NEAR(YoungInterval(model).base(), 141.4214, 1e-4);
  EXPECT_NEAR(DalyInterval(model).base(), 140.7555, 1e-4);
  EXPECT_NEAR(OptimalInterval(model).base(), 140.7555, 1e-3);
}

TEST(CheckpointIntervalTest, DalyStopsAtTheMeanTimeBetweenFailures) {
  const FailureModel model = {
      .mean_between = S(10), .recovery = S(0), .stall = S(20), .write_behind = S(0)};
  EXPECT_EQ(DalyInterval(model), S(10));
  EXPECT_LT(OptimalInterval(model), S(10));
}

TEST(CheckpointIntervalTest, OneCheckpointIsWrittenAtATime) {
  const FailureModel model = {
      .mean_between = S(1000), .recovery = S(0), .stall = S(0.5), .write_behind = S(300)};
  EXPECT_EQ(OptimalInterval(model), S(299.5));
}

TEST(CheckpointIntervalTest, PartsAddUp) {
  const FailureModel model = {
      .mean_between = S(100), .recovery = S(20), .stall = S(2), .write_behind = S(5)};
  const ExpectedTimes parts = SplitExpectedTime(model, S(8));
  EXPECT_NEAR((parts.steps + parts.stalls + parts.restarts + parts.rework).base(),
              ExpectedTime(model, S(8)).base(), 1e-9);
  EXPECT_GT(parts.rework, Seconds{});
}

struct Simulated {
  double time = 0.0;
  double restarts = 0.0;
  double failures = 0.0;
};

/// Plays `intervals` intervals with failures drawn one by one.
Simulated Play(const FailureModel& model, double interval, int intervals, uint64_t seed) {
  RandomStream random(seed, "failures");
  const double mean = model.mean_between.base();
  const double period = interval + model.stall.base();
  const auto next = [&] { return -mean * std::log1p(-random.Uniform()); };
  Simulated played;
  double until_failure = next();
  // Passes `span` or fails; says how far it came.
  const auto pass = [&](double span) {
    const double came = std::min(span, until_failure);
    played.time += came;
    until_failure -= came;
    if (came < span) {
      played.failures += 1;
      until_failure = next();
    }
    return came;
  };
  const auto recover = [&] {
    const double span = model.recovery.base();
    const double before = played.time;
    while (pass(span) < span) {
    }
    played.restarts += played.time - before;
  };
  int done = 0;             // intervals, with their checkpoints, that the run stands behind
  bool is_pending = false;  // the newest is still being written
  while (done < intervals) {
    const double came = pass(period);
    if (came == period) {
      ++done;
      is_pending = model.write_behind > Seconds{};
      continue;
    }
    if (is_pending && came < model.write_behind.base()) {
      --done;
    }
    is_pending = false;  // what it goes back to is written
    recover();
  }
  return played;
}

TEST(CheckpointIntervalTest, SimulatedRenewalsTakeTheExpectedTime) {
  constexpr int kIntervals = 200'000;
  for (const double write_behind : {0.0, 6.0}) {
    const FailureModel model = {
        .mean_between = S(40), .recovery = S(7), .stall = S(1), .write_behind = S(write_behind)};
    const Simulated played = Play(model, 10, kIntervals, 1);
    const ExpectedTimes expected = SplitExpectedTime(model, S(10));
    // An interval of 17 s on average spreads by about 15: 0.2 % of the mean over 200,000.
    EXPECT_NEAR(played.time / kIntervals / ExpectedTime(model, S(10)).base(), 1.0, 0.006);
    EXPECT_NEAR(played.failures / kIntervals / expected.failures, 1.0, 0.01);
    EXPECT_NEAR(played.restarts / kIntervals / expected.restarts.base(), 1.0, 0.01);
  }
}

}  // namespace
}  // namespace ridgeline::training

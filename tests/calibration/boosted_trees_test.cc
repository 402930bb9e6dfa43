#include "calibration/boosted_trees.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace ridgeline::calibration {
namespace {

using testing::DoubleNear;

struct Sample {
  std::vector<Inputs> rows;
  std::vector<float> targets;
};

/// Two inputs in [0, 4); `of` says the target.
template <class F>
Sample Draw(size_t count, F of) {
  RandomStream random(7, "sample");
  Sample sample;
  for (size_t i = 0; i < count; ++i) {
    Inputs inputs{};
    inputs[0] = static_cast<float>(random.Uniform(0, 4));
    inputs[1] = static_cast<float>(random.Uniform(0, 4));
    sample.rows.push_back(inputs);
    sample.targets.push_back(static_cast<float>(of(inputs[0], inputs[1])));
  }
  return sample;
}

TEST(BoostedTreesTest, OneTreeAnswersByTheBitsOfItsQuestions) {
  // Level 0 asks input 0 against 1, level 1 asks input 1 against 2; the rest ask what is never so.
  SymmetricTree tree{.inputs = {0, 1, 1, 1, 1, 1}, .borders = {0, 0, 1, 1, 1, 1}, .leaves = {}};
  tree.leaves[0] = 4096;   // neither: +1
  tree.leaves[1] = 8192;   // input 0 above: +2
  tree.leaves[2] = -4096;  // input 1 above: -1
  tree.leaves[3] = 0;
  const BoostedTrees trees(0.5F, {{1.0F}, {2.0F, 1e9F}}, {tree});
  EXPECT_EQ(trees.At(Inputs{0.0F, 0.0F}), 1.5);
  EXPECT_EQ(trees.At(Inputs{1.0F, 2.0F}), 1.5) << "a border belongs to what is below it";
  EXPECT_EQ(trees.At(Inputs{1.5F, 0.0F}), 2.5);
  EXPECT_EQ(trees.At(Inputs{0.0F, 3.0F}), -0.5);
  EXPECT_EQ(trees.At(Inputs{9.0F, 9.0F}), 0.5);
}

TEST(BoostedTreesTest, StepsAreFound) {
  // What a library does at a threshold: 30 % slower beyond 1.5, whatever else.
  const auto of = [](double x, double) { return x > 1.5 ? 0.3 : 0.0; };
  const Sample train = Draw(2000, of);
  const BoostedTrees trees = FitBoostedTrees(train.rows, 2, train.targets, {});
  EXPECT_THAT(trees.At(Inputs{0.5F, 2.0F}), DoubleNear(0.0, 0.01));
  EXPECT_THAT(trees.At(Inputs{3.0F, 2.0F}), DoubleNear(0.3, 0.01));
}

TEST(BoostedTreesTest, OutsideOfTheRowsTheLastValueHolds) {
  const Sample train = Draw(2000, [](double x, double) { return 0.1 * x; });
  const BoostedTrees trees = FitBoostedTrees(train.rows, 2, train.targets, {});
  EXPECT_EQ(trees.At(Inputs{100.0F, 2.0F}), trees.At(Inputs{5.0F, 2.0F}));
  // Shrunk towards the rest: each leaf is given a row of no residual.
  EXPECT_THAT(trees.At(Inputs{100.0F, 2.0F}), DoubleNear(0.4, 0.03));
}

TEST(BoostedTreesTest, OddRowsDoNotBendTheirNeighbours) {
  // One row in fifty is three times slower than its neighbours for no reason.
  Sample train = Draw(3000, [](double x, double y) { return 0.05 * x * y; });
  Sample clean = train;
  for (size_t i = 0; i < train.targets.size(); i += 50) {
    train.targets[i] += 1.1F;
  }
  BoostingSettings settings;
  settings.trees = 200;
  const BoostedTrees trees = FitBoostedTrees(train.rows, 2, train.targets, settings);
  std::vector<double> errors;
  for (size_t i = 1; i < train.rows.size(); i += 50) {
    errors.push_back(std::abs(trees.At(train.rows[i]) - clean.targets[i]));
  }
  std::sort(errors.begin(), errors.end());
  EXPECT_LT(errors[errors.size() * 9 / 10], 0.03);
}

TEST(BoostedTreesTest, EqualRowsAndSettingsGiveEqualTrees) {
  const Sample train = Draw(500, [](double x, double y) { return std::sin(x) * y; });
  const BoostedTrees once = FitBoostedTrees(train.rows, 2, train.targets, {});
  const BoostedTrees again = FitBoostedTrees(train.rows, 2, train.targets, {});
  EXPECT_EQ(once.trees(), again.trees());
  EXPECT_EQ(once.borders(), again.borders());
}

TEST(BoostedTreesTest, InputsThatDoNotVaryLeaveTheMedian) {
  const std::vector<Inputs> rows(9);
  const std::vector<float> targets = {1, 2, 3, 4, 5, 6, 7, 8, 90};
  const BoostedTrees trees = FitBoostedTrees(rows, 3, targets, {});
  EXPECT_TRUE(trees.empty());
  EXPECT_EQ(trees.At(Inputs{}), 5);
}

}  // namespace
}  // namespace ridgeline::calibration

#include "sim/training/recompute_choice.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "sim/training/training_memory.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

struct Chosen {
  StageCosts stages;
  std::vector<MemoryUse> uses;
  engine::Picoseconds backward = 0;  // of all layers
  sim::TrainingScenario training = {};
  Bytes Peak(size_t rank) const { return PeakOf(uses[rank].allocated(), training); }
};

Chosen Choose(const std::string& more, int pp = 4) {
  const sim::Scenario scenario = MustResolve(SmallJob(1, pp, 1, 1, 8, more));
  const compute::OperationTime time = compute::OperationTime::Analytic(scenario.cluster);
  Chosen chosen;
  chosen.training = *scenario.training;
  chosen.stages = CostStages(*scenario.training, time).value();
  chosen.uses = CountMemory(*scenario.training, chosen.stages).value();
  for (const ChunkCosts& chunk : chosen.stages.chunks) {
    for (const size_t layer : chunk.layers) {
      chosen.backward += chosen.stages.layers[layer].backward.total[Bound::kMean];
    }
  }
  return chosen;
}

// Two layers, none (10 kept, no time) or all (1 kept, 3): 20/0, 11/3, 2/6. A third of its own: 4/0
// or 0/1. By time: 24/0, 20/1, 15/3, 11/4, 6/6, 2/7.
TEST(RecomputeChoiceTest, PlansByHand) {
  const auto bytes = [](double count) { return Bytes::FromBase(count); };
  const std::vector<LikeLayers> groups = {{.count = 2, .options = {{bytes(10), 0}, {bytes(1), 3}}},
                                          {.count = 1, .options = {{bytes(4), 0}, {bytes(0), 1}}}};
  const std::vector<RecomputePlan> plans = UndominatedPlans(groups);
  std::vector<std::pair<double, engine::Picoseconds>> sums;
  for (const RecomputePlan& plan : plans) {
    sums.emplace_back(plan.kept.base(), plan.time);
  }
  const std::vector<std::pair<double, engine::Picoseconds>> expected = {{24, 0}, {20, 1}, {15, 3},
                                                                        {11, 4}, {6, 6},  {2, 7}};
  EXPECT_EQ(sums, expected);
  EXPECT_EQ(plans[3].counts, (std::vector<std::vector<int64_t>>{{1, 1}, {0, 1}}));
}

TEST(RecomputeChoiceTest, TheFirstLayersOfEachChunkRunAgain) {
  const Chosen some = Choose("  recompute: full\n  recompute_detail: {layers: 3}\n");
  for (const ChunkCosts& chunk : some.stages.chunks) {
    std::vector<bool> again;
    for (const size_t layer : chunk.layers) {
      if (some.stages.layers[layer].is_decoder) {
        again.push_back(some.stages.layers[layer].recompute_flops > Flops{});
      }
    }
    EXPECT_EQ(again, (std::vector<bool>{true, true, true, false}));
  }
}

TEST(RecomputeChoiceTest, AllLayersAreFullRecomputation) {
  const Chosen all = Choose("  recompute: full\n");
  const Chosen counted = Choose("  recompute: full\n  recompute_detail: {layers: 4}\n");
  EXPECT_EQ(counted.backward, all.backward);
  EXPECT_EQ(counted.uses[0].activations, all.uses[0].activations);
}

TEST(RecomputeChoiceTest, NothingRunsAgainWhereAllFits) {
  EXPECT_EQ(Choose("  recompute: optimal\n").backward, Choose("").backward);
}

// Budgets from nothing to all: each fits, and costs less the more there is, never more than full.
TEST(RecomputeChoiceTest, MoreMemoryNeverCostsTime) {
  const Chosen none = Choose("");
  const Chosen full = Choose("  recompute: full\n");
  const Bytes most = none.Peak(0);
  const Bytes least = full.Peak(0);
  engine::Picoseconds before = full.backward;
  for (const double share : {0.05, 0.2, 0.5, 0.8, 1.0}) {
    const Bytes budget = least + share * (most - least);
    const Chosen chosen = Choose(fmt::format(
        "  recompute: optimal\n  recompute_detail: {{budget: {:.0f} B}}\n", budget.base() + 1));
    EXPECT_LE(chosen.Peak(0), budget + Bytes::FromBase(1)) << share;
    EXPECT_LE(chosen.backward, before) << share;
    EXPECT_GE(chosen.backward, none.backward);
    before = chosen.backward;
  }
  EXPECT_EQ(before, none.backward);
}

// The first rank holds four micro-batches, the last one: only the first ranks need to recompute.
TEST(RecomputeChoiceTest, RanksChooseForThemselves) {
  const Chosen none = Choose("");
  const Bytes budget = none.Peak(3);
  ASSERT_LT(budget, none.Peak(0));
  const Chosen chosen = Choose(fmt::format(
      "  recompute: optimal\n  recompute_detail: {{budget: {:.0f} B}}\n", budget.base() + 1));
  EXPECT_NE(chosen.stages.chunks[0].layers.back(), chosen.stages.chunks[3].layers[0]);
  EXPECT_EQ(chosen.uses[3].activations, none.uses[3].activations);
}

}  // namespace
}  // namespace ridgeline::training

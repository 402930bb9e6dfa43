// Jobs whose sequences several ranks share, and replicas that share out states in groups.
#include <gtest/gtest.h>

#include "sim/simulate.h"
#include "sim/training/replica_groups.h"
#include "sim/training/step_program.h"
#include "sim/training/training_memory.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

struct Costed {
  sim::Scenario scenario;
  compute::OperationTime time;
  StageCosts stages;
};

Costed Cost(const std::string& yaml) {
  sim::Scenario scenario = MustResolve(yaml);
  compute::OperationTime time = compute::OperationTime::Analytic(scenario.cluster);
  StageCosts stages = CostStages(*scenario.training, time).value();
  return {std::move(scenario), std::move(time), std::move(stages)};
}

std::string WithSequence(std::string yaml, const std::string& tokens) {
  return yaml.replace(yaml.find("2048"), 4, tokens);
}

// 65,536 tokens over four ranks: a step's attention takes longer than the next keys and values take
// to come, so that a ring costs only what its kernels take of the GPU beside attention, 1.15 (1 -
// 1/1.154) = 0.15 of its time alone at most (contention.h: 32 channels on 132 multiprocessors); a
// gather is always waited for.
TEST(ContextParallelTest, ARingHidesBehindLongAttentionAndAGatherDoesNot) {
  const auto exposed = [](const std::string& exchange) {
    const std::string yaml =
        SmallJob(1, 1, 1, 2, 1, {}, 4, ", context: {exchange: " + exchange + "}");
    const sim::Report report = sim::Simulate(MustResolve(WithSequence(yaml, "65536")), {}).value();
    double sum = 0;
    for (const sim::Share& share : report.time) {
      sum += share.value;
    }
    EXPECT_NEAR(sum, report.Find("step_time")->value, 1e-12 * sum);
    return report.Find("time.context_parallel")->value /
           report.Find("communication.context.busy")->value;
  };
  EXPECT_LT(exposed("ring"), 0.15);
  EXPECT_NEAR(exposed("all-gather"), 1, 1e-9);
  EXPECT_NEAR(exposed("all-to-all"), 1, 1e-9);
}

// A stage of 16 GPUs either way: half the sequence a rank, or half as long a sequence.
TEST(ContextParallelTest, StagesSendTheirTokensOnly) {
  const Costed shared = Cost(SmallJob(8, 2, 1, 1, 2, {}, 2));
  const Costed half = Cost(WithSequence(SmallJob(8, 2, 1, 2, 2), "1024"));
  ASSERT_EQ(shared.stages.boundary_sends.size(), 2U);
  EXPECT_EQ(shared.stages.boundary_sends[0].at, half.stages.boundary_sends[0].at);
}

TEST(ContextParallelTest, LayersKeepTheirShareOfTheSequence) {
  const Costed shared = Cost(SmallJob(1, 1, 1, 2, 1, {}, 4));
  const Costed whole = Cost(SmallJob(1, 1, 1, 2, 1));
  for (size_t layer = 0; layer < whole.stages.layers.size(); ++layer) {
    EXPECT_DOUBLE_EQ(4 * shared.stages.layers[layer].saved_activations.base(),
                     whole.stages.layers[layer].saved_activations.base());
    EXPECT_DOUBLE_EQ(4 * shared.stages.layers[layer].model_flops.base(),
                     whole.stages.layers[layer].model_flops.base());
  }
}

// 317,228,032 parameters (training_memory_test.cc): fp32 states over the eight ranks of a group,
// not over all sixteen; a reduce-scatter of the group, then an all-reduce of an eighth over two
// groups.
TEST(HybridShardingTest, StatesAndReductionsStayInTheirGroup) {
  const Costed hybrid = Cost(SmallJob(1, 1, 1, 16, 1, "  sharding: zero-1\n", 1, ", shard: 8"));
  const MemoryUse use = CountMemory(*hybrid.scenario.training, hybrid.stages).value()[0];
  EXPECT_DOUBLE_EQ(use.optimizer.base(), 12 * 317228032.0 / 8);

  const ReplicaGroups groups = ReplicaGroups::OfDense(hybrid.scenario.training->layout);
  EXPECT_EQ(groups.all, (RankGroup{16, 8}));
  EXPECT_EQ(groups.shard, (RankGroup{8, 8}));
  EXPECT_EQ(groups.replica, (RankGroup{2, 1}));
  sim::Reliance reliance;
  const double parameters = 1e8;
  const Duration reduction =
      CostGradientReduction(groups, parameters, DType::kFp32, true, 1, hybrid.time, reliance)
          .value();
  const auto alone = [&](CollectiveKind kind, double bytes, RankGroup group) {
    return Duration::Of(
        hybrid.time.CostOf(Collective{kind, Bytes::FromBase(bytes), group, DType::kFp32}).value());
  };
  Duration expected = alone(CollectiveKind::kReduceScatter, 4e8, {8, 8});
  expected += alone(CollectiveKind::kAllReduce, 0.5e8, {2, 1});
  EXPECT_EQ(reduction.at, expected.at);
}

// Gathers inside a node instead of over two.
TEST(HybridShardingTest, LayersAreGatheredInTheirGroup) {
  const auto gather = [](const std::string& spread) {
    const Costed costed = Cost(SmallJob(1, 1, 1, 16, 1, "  sharding: fsdp\n", 1, spread));
    const EpilogueCosts epilogue =
        CostEpilogue(*costed.scenario.training, costed.stages, costed.time).value();
    return epilogue.sharded.front().gather[Bound::kMean];
  };
  EXPECT_LT(gather(", shard: 8"), gather(""));
  EXPECT_EQ(gather(", shard: 16"), gather(""));
}

}  // namespace
}  // namespace ridgeline::training

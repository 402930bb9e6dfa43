#include "sim/training/training_memory.h"

#include <gtest/gtest.h>

#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

struct Counted {
  StageCosts stages;
  std::vector<MemoryUse> uses;
};

Counted Count(const std::string& yaml) {
  const sim::Scenario scenario = MustResolve(yaml);
  const compute::OperationTime time = compute::OperationTime::Analytic(scenario.cluster);
  Counted counted;
  counted.stages = CostStages(*scenario.training, time).value();
  counted.uses = CountMemory(*scenario.training, counted.stages).value();
  return counted;
}

Bytes SavedBy(const StageCosts& stages, size_t chunk) {
  Bytes saved;
  for (const size_t layer : stages.chunks[chunk].layers) {
    saved += stages.layers[layer].saved_activations;
  }
  return saved;
}

// A layer: attention 1024 x 64 x (2 x 16 + 2 x 8) = 3,145,728, feed-forward 3 x 1024 x 4096 =
// 12,582,912, norms 2,048. 16 layers 251,691,008; two tables of 32,000 x 1,024 = 65,536,000; last
// norm 1,024: 317,228,032 parameters.
constexpr double kParameters = 317'228'032;

TEST(TrainingMemoryTest, OneGpuHoldsEighteenBytesAParameter) {
  const MemoryUse use = Count(SmallJob(1, 1, 1, 1, 1, "  sharding: ddp\n")).uses[0];
  EXPECT_DOUBLE_EQ(use.weights.base(), 2 * kParameters);
  EXPECT_DOUBLE_EQ(use.gradients.base(), 4 * kParameters);
  EXPECT_DOUBLE_EQ(use.optimizer.base(), 12 * kParameters);
}

TEST(TrainingMemoryTest, ADistributedOptimizerHoldsItsShareOfTheStates) {
  const MemoryUse use = Count(SmallJob(1, 1, 1, 8, 1, "  sharding: zero-1\n")).uses[0];
  EXPECT_DOUBLE_EQ(use.gradients.base(), 4 * kParameters);
  EXPECT_DOUBLE_EQ(use.optimizer.base(), 12 * kParameters / 8);
}

TEST(TrainingMemoryTest, ParametersInFp32KeepNoMasterCopy) {
  const MemoryUse use =
      Count(SmallJob(1, 1, 1, 1, 1, "  sharding: ddp\n  precision: fp32\n")).uses[0];
  EXPECT_DOUBLE_EQ(use.weights.base(), 4 * kParameters);
  EXPECT_DOUBLE_EQ(use.optimizer.base(), 8 * kParameters);
}

// Plain PyTorch keeps everything in the type of computation: parameter, gradient and two moments,
// of 4 bytes each in fp32 and of 2 in fp16, and never a master copy. Two micro-batches: all
// gradients exist when the second is at its fullest.
TEST(TrainingMemoryTest, PlainPytorchFollowsThePrecision) {
  const auto use = [](const std::string& more) {
    return Count(SmallJob(1, 1, 1, 1, 2, "  sharding: ddp\n  framework: pytorch-eager\n" + more))
        .uses[0];
  };
  const MemoryUse single = use("  precision: fp32\n");
  EXPECT_DOUBLE_EQ(single.gradients.base(), 4 * kParameters);
  EXPECT_DOUBLE_EQ(single.optimizer.base(), 8 * kParameters);
  const MemoryUse half = use("  precision: fp16\n");
  EXPECT_DOUBLE_EQ(half.gradients.base(), 2 * kParameters);
  EXPECT_DOUBLE_EQ(half.optimizer.base(), 4 * kParameters);
  // Parameters kept in fp32 are their own master copy.
  EXPECT_DOUBLE_EQ(use("  dtypes: {parameters: fp32}\n").optimizer.base(), 4 * kParameters);
}

// One GPU, full recomputation: every layer keeps its input; the head's logits (32,000 x 4 bytes a
// token) and their gradient (2 bytes) are the peak, and are gone when layers recompute: a layer
// brings back less than the head gives back.
TEST(TrainingMemoryTest, TheHeadIsGivenBackBeforeLayersRecompute) {
  const Counted full = Count(SmallJob(1, 1, 1, 1, 1, "  recompute: full\n"));
  const Bytes gradient = Bytes::FromBase(2048.0 * 32000 * 2);
  EXPECT_DOUBLE_EQ(full.uses[0].activations.base(), (SavedBy(full.stages, 0) + gradient).base());
}

// The backward of a rank's top layer holds its gradients of activations beside all that is kept.
Bytes Gradients(const StageCosts& stages) { return stages.layers[0].recompute_buffer; }

// 1F1B: rank i of 4 holds min(m, 4 - i) micro-batches; GPipe holds all 8 everywhere. Ranks 1 and 2
// hold layers alone.
TEST(TrainingMemoryTest, ActivationsFollowTheSchedule) {
  const Counted one_f_one_b = Count(SmallJob(1, 4, 1, 1, 8, "  schedule: 1f1b\n"));
  EXPECT_DOUBLE_EQ(one_f_one_b.uses[1].activations.base(),
                   (3.0 * SavedBy(one_f_one_b.stages, 1) + Gradients(one_f_one_b.stages)).base());
  EXPECT_DOUBLE_EQ(one_f_one_b.uses[2].activations.base(),
                   (2.0 * SavedBy(one_f_one_b.stages, 2) + Gradients(one_f_one_b.stages)).base());
  const Counted gpipe = Count(SmallJob(1, 4, 1, 1, 8, "  schedule: gpipe\n"));
  EXPECT_DOUBLE_EQ(gpipe.uses[1].activations.base(),
                   (8.0 * SavedBy(gpipe.stages, 1) + Gradients(gpipe.stages)).base());
}

// Interleaved, rank 1 of 4 with 2 chunks: 2 (4 - 1 - 1) + (2 - 1) 4 = 8 warm-up forwards and the
// one in hand: 9 chunks.
TEST(TrainingMemoryTest, InterleavingHoldsMoreChunksOfHalfTheSize) {
  const Counted counted = Count(SmallJob(1, 4, 2, 1, 8));
  EXPECT_DOUBLE_EQ(SavedBy(counted.stages, 1).base(), SavedBy(counted.stages, 5).base());
  EXPECT_DOUBLE_EQ(counted.uses[1].activations.base(),
                   (9.0 * SavedBy(counted.stages, 1) + Gradients(counted.stages)).base());
}

// A gradient made on demand has memory once its layer's backward is done: at the only micro-batch's
// fullest moment, the head's loss, there is none yet, and the update sees all of them without
// activations. Whichever takes more counts, never their sum.
TEST(TrainingMemoryTest, GradientsMadeOnDemandComeAsActivationsGo) {
  const Counted one =
      Count(SmallJob(1, 1, 1, 1, 1, "  sharding: ddp\n  framework: pytorch-eager\n"));
  const MemoryUse& use = one.uses[0];
  const Bytes kept = SavedBy(one.stages, 0);
  const Bytes all = Bytes::FromBase(2 * kParameters);
  EXPECT_LT(use.activations + use.gradients,
            kept + one.stages.layers.back().recompute_buffer + all);
  EXPECT_GE(use.activations + use.gradients, kept + one.stages.layers.back().recompute_buffer);
  EXPECT_GE(use.activations + use.gradients, all);
}

TEST(TrainingMemoryTest, FullRecomputeKeepsInputsAndOneLayersWork) {
  const Counted none = Count(SmallJob(1, 4, 1, 1, 8));
  const Counted full = Count(SmallJob(1, 4, 1, 1, 8, "  recompute: full\n"));
  // 4 layers, each keeping its input of 2,048 x 1,024 in 2 bytes; 3 micro-batches; then one layer
  // in full.
  const double inputs = 3 * 4 * 2048.0 * 1024 * 2;
  EXPECT_DOUBLE_EQ(full.uses[1].activations.base(),
                   inputs + full.stages.layers[0].recompute_buffer.base());
  EXPECT_LT(full.uses[1].activations.base(), none.uses[1].activations.base());
}

}  // namespace
}  // namespace ridgeline::training

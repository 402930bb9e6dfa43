// Activations against Korthikanti et al. (arXiv:2205.05198, table 2), FLOPs and messages against
// closed forms. s 128, b 2, h 256, a 8, t 4 where nothing else is said.
#include "workloads/lowering.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/workloads/small_models.h"

namespace ridgeline::workloads {
namespace {

constexpr int64_t kSequence = 128;
constexpr int64_t kBatch = 2;
constexpr int64_t kHidden = 256;
constexpr int64_t kHeads = 8;
constexpr double kSbh = 128.0 * 2 * 256;
// a s / h = 8 x 128 / 256.
constexpr double kScores = 4.0;
// Log-sum-exp of flash attention: 4 s b a bytes, over s b h.
constexpr double kLogSumExp = 4.0 * 8 / 256;

double SavedPerSbh(AttentionChoice attention, Recompute recompute, int64_t tp, bool sp) {
  const Model model = Gpt(kHidden, kHeads);
  Framework framework;
  framework.attention = attention;
  LoweringRequest request = Request(model, framework, kSequence, tp, sp);
  request.micro_batch = kBatch;
  request.recompute = recompute;
  return LowerLayer(request, model.kinds[0])->saved_activations.base() / kSbh;
}

// Table 2 itself, with dropout: sbh (34 + 5as/h); sbh (10 + 24/t + 5as/(ht)); all over t with
// sequence parallelism; 34/t with selective recomputation besides.
TEST(SavedActivationsTest, DropoutCompletesTableTwo) {
  const Model model = Gpt(kHidden, kHeads);
  Framework framework;
  framework.dropout = true;
  framework.attention = AttentionChoice::kNaive;
  const auto saved = [&](int64_t tp, bool sequence_parallel, Recompute recompute) {
    LoweringRequest request = Request(model, framework, kSequence, tp, sequence_parallel);
    request.micro_batch = kBatch;
    request.recompute = recompute;
    return LowerLayer(request, model.kinds[0])->saved_activations.base() / kSbh;
  };
  EXPECT_DOUBLE_EQ(saved(1, false, Recompute::kNone), 34 + 5 * kScores);
  EXPECT_DOUBLE_EQ(saved(4, false, Recompute::kNone), 10 + 24.0 / 4 + 5 * kScores / 4);
  EXPECT_DOUBLE_EQ(saved(4, true, Recompute::kNone), (34 + 5 * kScores) / 4);
  EXPECT_DOUBLE_EQ(saved(4, true, Recompute::kSelective), 34.0 / 4);
}

// Table 2 keeps dropout masks: 1 byte each for the two hidden ones, 3 a score of its 5. Without
// dropout 34 becomes 32, 10 becomes 8 and 5as/h becomes 2as/h.
TEST(SavedActivationsTest, NaiveAttentionWithoutParallelismIs32PlusTwiceScores) {
  EXPECT_DOUBLE_EQ(SavedPerSbh(AttentionChoice::kNaive, Recompute::kNone, 1, false),
                   32 + 2 * kScores);
}

TEST(SavedActivationsTest, TensorParallelismLeavesEightReplicated) {
  EXPECT_DOUBLE_EQ(SavedPerSbh(AttentionChoice::kNaive, Recompute::kNone, 4, false),
                   8 + 24.0 / 4 + 2 * kScores / 4);
}

TEST(SavedActivationsTest, SequenceParallelismDividesEverything) {
  EXPECT_DOUBLE_EQ(SavedPerSbh(AttentionChoice::kNaive, Recompute::kNone, 4, true),
                   (32 + 2 * kScores) / 4);
}

TEST(SavedActivationsTest, SelectiveRecomputeDropsTheScores) {
  EXPECT_DOUBLE_EQ(SavedPerSbh(AttentionChoice::kNaive, Recompute::kSelective, 4, true), 32.0 / 4);
  EXPECT_DOUBLE_EQ(SavedPerSbh(AttentionChoice::kNaive, Recompute::kSelective, 4, false),
                   8 + 24.0 / 4);
}

TEST(SavedActivationsTest, FlashAttentionKeepsTheLogSumExpOnly) {
  EXPECT_DOUBLE_EQ(SavedPerSbh(AttentionChoice::kFlash, Recompute::kNone, 4, true),
                   (32 + kLogSumExp) / 4);
  EXPECT_DOUBLE_EQ(SavedPerSbh(AttentionChoice::kFlash, Recompute::kSelective, 4, true),
                   (32 + kLogSumExp) / 4);
}

TEST(SavedActivationsTest, FullRecomputeKeepsTheInput) {
  EXPECT_DOUBLE_EQ(SavedPerSbh(AttentionChoice::kFlash, Recompute::kFull, 1, false), 2);
  EXPECT_DOUBLE_EQ(SavedPerSbh(AttentionChoice::kFlash, Recompute::kFull, 4, false), 2);
  EXPECT_DOUBLE_EQ(SavedPerSbh(AttentionChoice::kFlash, Recompute::kFull, 4, true), 2.0 / 4);
}

TEST(SavedActivationsTest, WhatIsNotKeptIsInTheBuffer) {
  const Model model = Gpt(kHidden, kHeads);
  Framework framework;
  LoweringRequest request = Request(model, framework, kSequence);
  const Bytes all = LowerLayer(request, model.kinds[0])->saved_activations;
  request.recompute = Recompute::kFull;
  const auto full = LowerLayer(request, model.kinds[0]);
  // h 256: gradients of input and output (2 x 2 h) and of the activation's two sides (2 x 4 h, of
  // which its recipe holds one beyond what it gives back), of two bytes, live in either case.
  const Bytes gradients = Bytes::FromBase(128.0 * (2 * 256 + 4 * 256) * 2);
  EXPECT_EQ(full->recompute_buffer - gradients + full->saved_activations, all);
}

// A gated feed-forward keeps gate, up and product: 3 f instead of 2 f; grouped queries shrink keys
// and values. h 256, 8 heads of 32, 2 KV heads, f 512: norm and projection inputs 4 x 256, queries
// and output 2 x 256, keys and values 2 x 64, 3 x 512; 2 bytes each, and 8 log-sum-exps of 4.
TEST(SavedActivationsTest, GatedGroupedLayerByHand) {
  const Model model = Llama(256, 8, 2, 512);
  const Framework framework;
  const auto lowered = LowerLayer(Request(model, framework, 64), model.kinds[0]);
  EXPECT_DOUBLE_EQ(lowered->saved_activations.base(),
                   64.0 * ((6 * 256 + 2 * 64 + 3 * 512) * 2 + 8 * 4));
}

// h 256, 8 experts of width 128, 2 a token: attention as above (2 x 256 + 2 x 256 + 128, and the
// log-sum-exp); norm and router inputs 2 x 256; 8 probabilities of 4 bytes; 2 copies in (256),
// gate, up and product (3 x 128), 2 copies out (256).
TEST(SavedActivationsTest, MixtureByHand) {
  const Model model = Mixture(256, 8, 2, 128, 8, 2, 0);
  const Framework framework;
  const auto lowered = LowerLayer(Request(model, framework, 64), model.kinds[0]);
  const double attention = (4 * 256 + 2 * 64) * 2 + 8 * 4;
  const double experts = 2 * 256 * 2 + 8 * 4 + 2 * (256 + 3 * 128 + 256) * 2;
  EXPECT_DOUBLE_EQ(lowered->saved_activations.base(), 64.0 * (attention + experts));
}

std::vector<std::string> Collectives(const std::vector<Step>& steps) {
  std::vector<std::string> names;
  for (const Step& step : steps) {
    if (const auto* collective = std::get_if<AxisCollective>(&step.work)) {
      names.emplace_back(CollectiveName(collective->kind));
    }
  }
  std::ranges::sort(names);
  return names;
}

// Megatron-LM: two all-reduces forward, two backward, each of the whole 2sbh.
TEST(TensorParallelTest, FourAllReducesWithoutSequenceParallelism) {
  const Model model = Gpt(kHidden, kHeads);
  const Framework framework;
  const auto lowered = LowerLayer(Request(model, framework, kSequence, 4, false), model.kinds[0]);
  EXPECT_THAT(Collectives(lowered->forward), testing::ElementsAre("all_reduce", "all_reduce"));
  EXPECT_THAT(Collectives(lowered->backward), testing::ElementsAre("all_reduce", "all_reduce"));
  for (const Step& step : lowered->forward) {
    if (const auto* collective = std::get_if<AxisCollective>(&step.work)) {
      EXPECT_DOUBLE_EQ(collective->bytes.base(), 2.0 * kSequence * kHidden);
    }
  }
}

// Korthikanti et al., section 4.2.2: 4 all-gathers and 4 reduce-scatters, and 2 more all-gathers of
// the inputs that were kept as shards.
TEST(TensorParallelTest, SequenceParallelismAddsTwoGathersInBackward) {
  const Model model = Gpt(kHidden, kHeads);
  const Framework framework;
  const auto lowered = LowerLayer(Request(model, framework, kSequence, 4, true), model.kinds[0]);
  EXPECT_THAT(Collectives(lowered->forward),
              testing::ElementsAre("all_gather", "all_gather", "reduce_scatter", "reduce_scatter"));
  EXPECT_THAT(Collectives(lowered->backward),
              testing::ElementsAre("all_gather", "all_gather", "all_gather", "all_gather",
                                   "reduce_scatter", "reduce_scatter"));
}

TEST(TensorParallelTest, FullRecomputeRepeatsTheForwardWithItsCollectives) {
  const Model model = Gpt(kHidden, kHeads);
  const Framework framework;
  LoweringRequest request = Request(model, framework, kSequence, 4, false);
  request.recompute = Recompute::kFull;
  const auto lowered = LowerLayer(request, model.kinds[0]);
  EXPECT_EQ(Collectives(lowered->backward).size(), 4u);
  EXPECT_EQ(std::ranges::count(lowered->backward, StepPart::kRecompute, &Step::part),
            std::ssize(lowered->forward));
}

// Dispatch and combine, forward and again backward: each rank sends tokens x 2 copies x 256 x 2 B.
TEST(ExpertParallelTest, FourAllToAllsOfAllCopies) {
  const Model model = Mixture(256, 8, 2, 128, 8, 2, 0);
  const Framework framework;
  LoweringRequest request = Request(model, framework, 64);
  request.layout.ep = 4;
  request.layout.dp = 4;
  const auto lowered = LowerLayer(request, model.kinds[0]);
  int found = 0;
  for (const auto* steps : {&lowered->forward, &lowered->backward}) {
    for (const Step& step : *steps) {
      if (const auto* collective = std::get_if<AxisCollective>(&step.work)) {
        ++found;
        EXPECT_EQ(collective->kind, CollectiveKind::kAllToAll);
        EXPECT_EQ(collective->axis, Axis::kExpert);
        EXPECT_DOUBLE_EQ(collective->bytes.base(), 64.0 * 2 * 256 * 2);
      }
    }
  }
  EXPECT_EQ(found, 4);
}

TEST(FusionTest, UnfusedAccumulationIsAKernelOfItsOwn) {
  const Model model = Llama(256, 8, 2, 512);
  Framework framework;
  const auto count = [&] {
    const auto lowered = LowerLayer(Request(model, framework, 64), model.kinds[0]);
    return std::ranges::count_if(lowered->backward, [](const Step& step) {
      return step.name.ends_with("gradient accumulation");
    });
  };
  EXPECT_EQ(count(), 0);
  framework.fusion.gradient_accumulation = false;
  EXPECT_EQ(count(), 4);
}

TEST(HeadTest, ModelFlopsAreSixTokensHiddenVocabulary) {
  const Model model = Gpt(kHidden, kHeads);
  const Framework framework;
  const auto head = LowerHead(Request(model, framework, kSequence, 4, true));
  EXPECT_DOUBLE_EQ(head->model_flops.base(), 6.0 * kSequence * kHidden * 1024 / 4);
  // Megatron's estimator: 4sbh(1 + V/h) / t.
  EXPECT_DOUBLE_EQ(head->saved_activations.base(),
                   4.0 * kSequence * kHidden * (1 + 1024.0 / kHidden) / 4);
}

TEST(UnimplementedTest, NamesTheFeature) {
  Model model = Gpt(kHidden, kHeads);
  const Framework framework;
  LoweringRequest request = Request(model, framework, kSequence);
  request.compute = DType::kFp4;
  EXPECT_EQ(LowerLayer(request, model.kinds[0]).error().message, "training in fp4");
  request.compute = DType::kBf16;
  model.kinds[0].mixer.kind = MixerKind::kMamba2;
  EXPECT_THAT(LowerLayer(request, model.kinds[0]).error().message, testing::HasSubstr("Mamba-2"));
}

}  // namespace
}  // namespace ridgeline::workloads

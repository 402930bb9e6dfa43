#include "workloads/parallelism.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "tests/workloads/small_models.h"
#include "workloads/framework.h"

namespace ridgeline::workloads {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Llama-3.1-70B's shape.
Model Llama70B() { return Llama(8192, 64, 8, 28672, 80); }

LayoutRequest Job(Parallelism parallelism, int64_t gpus = 512) {
  return {.parallelism = parallelism,
          .gpus = gpus,
          .gpus_per_node = 8,
          .global_batch = 1024,
          .micro_batch = 1,
          .sequence_length = 8192,
          .placement = {}};
}

std::string ErrorOf(const Model& model, const LayoutRequest& request) {
  const auto layout = CheckLayout(model, request);
  EXPECT_FALSE(layout);
  return layout ? "" : RenderError(layout.error());
}

TEST(CheckLayoutTest, DataParallelismIsWhatIsLeft) {
  const auto layout = CheckLayout(Llama70B(), Job({.tp = 8, .pp = 4}));
  ASSERT_TRUE(layout) << RenderError(layout.error());
  EXPECT_EQ(layout->dp, 16);
  EXPECT_TRUE(layout->sequence_parallel);
  EXPECT_EQ(layout->gpus(), 512);
}

TEST(CheckLayoutTest, TensorParallelismMustDivideTheKvHeads) {
  EXPECT_THAT(
      ErrorOf(Llama70B(), Job({.tp = 16})),
      AllOf(HasSubstr("error: tensor parallelism must divide the KV heads: tp 16, 8 KV heads"),
            HasSubstr("use tp 1, 2, 4 or 8"), HasSubstr("[training.parallelism.tp]")));
}

TEST(CheckLayoutTest, EveryBrokenRuleComesAtOnce) {
  Model model = Mixture(8192, 64, 8, 28672, 8, 2, 0, 80);
  LayoutRequest request = Job({.tp = 16, .pp = 3, .vpp = 1, .ep = 3});
  request.sequence_length = 8190;
  const std::string error = ErrorOf(model, request);
  for (const char* path :
       {"[training.parallelism.tp]", "[training.parallelism.pp]", "[training.parallelism.ep]",
        "[training.sequence_length]", "[training.parallelism]"}) {
    EXPECT_THAT(error, HasSubstr(path));
  }
}

TEST(CheckLayoutTest, StatedDataParallelismIsChecked) {
  EXPECT_THAT(ErrorOf(Llama70B(), Job({.tp = 8, .dp = 32})),
              AllOf(HasSubstr("8 x 1 x 1 x 32, 512 GPUs"), HasSubstr("use dp 64")));
}

TEST(CheckLayoutTest, MoreThanTheGpusThereAre) {
  EXPECT_THAT(ErrorOf(Llama70B(), Job({.tp = 8, .pp = 4}, 16)),
              HasSubstr("tp 8 x pp 4 x cp 1 = 32, 16 GPUs"));
}

TEST(CheckLayoutTest, BatchMustDivide) {
  LayoutRequest request = Job({.tp = 8});
  request.global_batch = 100;
  EXPECT_THAT(ErrorOf(Llama70B(), request),
              AllOf(HasSubstr("dp 64 x 1, 100 sequences"), HasSubstr("[training.global_batch]")));
}

TEST(CheckLayoutTest, InterleavingNeedsMicroBatchesInMultiplesOfStages) {
  LayoutRequest request = Job({.tp = 8, .pp = 4, .vpp = 2});
  request.global_batch = 16 * 6;
  EXPECT_THAT(ErrorOf(Llama70B(), request), HasSubstr("6 micro-batches, pp 4"));
  request.global_batch = 16 * 8;
  EXPECT_TRUE(CheckLayout(Llama70B(), request));
  EXPECT_THAT(ErrorOf(Llama70B(), Job({.tp = 8, .vpp = 2})), HasSubstr("need a pipeline"));
}

// 126 layers over 16 stages: only with embedding and head in a layer's place each.
TEST(CheckLayoutTest, EmbeddingAndHeadMayTakeALayersPlace) {
  const Model model = Llama(16384, 128, 8, 53248, 126);
  EXPECT_TRUE(CheckLayout(model, Job({.tp = 8, .pp = 16})));
  EXPECT_THAT(ErrorOf(model, Job({.tp = 8, .pp = 5}, 40 * 8)),
              HasSubstr("[training.parallelism.pp]"));
}

TEST(CheckLayoutTest, ExpertsNeedExpertsAndReplicas) {
  EXPECT_THAT(ErrorOf(Llama70B(), Job({.tp = 8, .ep = 2})), HasSubstr("a model with experts"));
  const Model model = Mixture(8192, 64, 8, 28672, 8, 2, 0, 80);
  EXPECT_THAT(ErrorOf(model, Job({.tp = 8, .ep = 8}, 32)),
              AllOf(HasSubstr("ep 8, dp 4 x cp 1 = 4"), HasSubstr("use ep 1, 2 or 4")));
}

TEST(CheckLayoutTest, SequenceParallelismMustDivideTheSequence) {
  LayoutRequest request = Job({.tp = 8});
  request.sequence_length = 8188;
  EXPECT_THAT(ErrorOf(Llama70B(), request), HasSubstr("8188 tokens, tp 8"));
  request.parallelism.sequence_parallel = false;
  EXPECT_TRUE(CheckLayout(Llama70B(), request));
}

// 8 KV heads over tp 2 are 4 a rank: three ranks divide neither those nor the 32 heads.
TEST(CheckLayoutTest, AllToAllsNeedHeadsToExchange) {
  LayoutRequest request =
      Job({.tp = 2, .cp = 3, .context = {.exchange = ContextExchange::kAllToAll}}, 12);
  request.sequence_length = 6144;
  EXPECT_THAT(ErrorOf(Llama70B(), request),
              AllOf(HasSubstr("cp 3, 64 heads and 8 KV heads over tp 2"),
                    HasSubstr("use cp 1, 2 or 4, or exchange: ring"),
                    HasSubstr("[training.parallelism.cp]")));
  // Eight ranks get every KV head twice.
  EXPECT_TRUE(CheckLayout(
      Llama70B(), Job({.tp = 2, .cp = 8, .context = {.exchange = ContextExchange::kAllToAll}})));
}

TEST(CheckLayoutTest, InnerGroupsAreOfBothKindsAndDivideTheContext) {
  EXPECT_THAT(
      ErrorOf(Llama70B(), Job({.cp = 4, .context = {.exchange = std::nullopt, .inner = 2}})),
      AllOf(HasSubstr("inner 2"), HasSubstr("use exchange: both")));
  EXPECT_THAT(ErrorOf(Llama70B(),
                      Job({.cp = 4, .context = {.exchange = ContextExchange::kBoth, .inner = 3}})),
              AllOf(HasSubstr("inner 3, cp 4"), HasSubstr("use inner 1, 2 or 4")));
  const auto layout = CheckLayout(
      Llama70B(), Job({.cp = 4, .context = {.exchange = ContextExchange::kBoth, .inner = 2}}));
  ASSERT_TRUE(layout) << RenderError(layout.error());
  EXPECT_EQ(layout->context_inner, 2);
}

TEST(CheckLayoutTest, AnOrderNamesEveryAxisOnce) {
  using enum RankAxis;
  EXPECT_THAT(ErrorOf(Llama70B(), Job({.order = {kTensor, kData, kData, kPipeline}})),
              AllOf(HasSubstr("4 named, one of them twice"), HasSubstr("[tp, cp, dp, pp]")));
  EXPECT_THAT(ErrorOf(Llama70B(), Job({.order = {kTensor, kData}})),
              HasSubstr("2 named, one left out"));
  EXPECT_TRUE(CheckLayout(Llama70B(), Job({.order = {kPipeline, kData, kContext, kTensor}})));
}

TEST(CheckLayoutTest, ShardingGroupsDivideReplicasAndHoldAllExperts) {
  EXPECT_THAT(ErrorOf(Llama70B(), Job({.tp = 8, .shard = 3}, 64)),
              AllOf(HasSubstr("shard 3, dp 8 x cp 1 = 8"), HasSubstr("use shard 1, 2, 4 or 8")));
  const Model model = Mixture(8192, 64, 8, 28672, 8, 2, 0, 80);
  EXPECT_THAT(ErrorOf(model, Job({.tp = 8, .ep = 8, .shard = 4}, 128)),
              AllOf(HasSubstr("shard 4 x tp 8, ep 8 x etp 8"), HasSubstr("use a multiple of 8")));
  EXPECT_TRUE(CheckLayout(model, Job({.tp = 8, .ep = 8, .shard = 8}, 128)));
}

// Eight experts over tp 8 and dp 4, 32 ranks: ep 8 divides no dp, and with experts in one piece it
// divides the 32.
TEST(CheckLayoutTest, ExpertsMayHaveTensorParallelismOfTheirOwn) {
  const Model model = Mixture(8192, 64, 8, 28672, 8, 2, 0, 80);
  EXPECT_FALSE(CheckLayout(model, Job({.tp = 8, .ep = 8}, 32)));
  EXPECT_TRUE(CheckLayout(model, Job({.tp = 8, .ep = 8, .etp = 1}, 32)));
  EXPECT_THAT(ErrorOf(model, Job({.tp = 8, .ep = 8, .etp = 16}, 32)),
              AllOf(HasSubstr("16 x 8 = 128, 8 x 1 x 4 = 32"), HasSubstr("use etp 1, 2 or 4")));
  EXPECT_THAT(ErrorOf(model, Job({.tp = 8, .etp = 3}, 24)),
              AllOf(HasSubstr("etp 3, 28672 wide"), HasSubstr("[training.parallelism.etp]")));
  EXPECT_THAT(ErrorOf(Llama70B(), Job({.tp = 8, .etp = 2}, 32)),
              HasSubstr("needs a model with experts: etp 2"));
}

TEST(CheckLayoutTest, NonsenseIsRefusedBeforeItDivides) {
  EXPECT_THAT(ErrorOf(Llama70B(), Job({.tp = 0, .pp = -1})),
              AllOf(HasSubstr("parallelism.tp must be between 1"), HasSubstr("parallelism.pp")));
  LayoutRequest request = Job({});
  request.gpus = 0;
  EXPECT_THAT(ErrorOf(Llama70B(), request), HasSubstr("[training.gpus]"));
}

// Nodes of 8, tp fastest: tp 8 fills a node, so neighbours along dp are on other nodes; with tp 2
// four dp neighbours share one.
TEST(GroupOfTest, TensorRanksAreNeighbours) {
  const Layout wide{.tp = 8, .pp = 4, .dp = 16};
  EXPECT_EQ(GroupOf(wide, Axis::kTensor), (RankGroup{8, 8}));
  EXPECT_EQ(GroupOf(wide, Axis::kData), (RankGroup{16, 1}));
  // 128 GPUs a stage: the next is 16 nodes on.
  EXPECT_EQ(GroupOf(wide, Axis::kPipeline), (RankGroup{4, 1, 16}));
  const Layout narrow{.tp = 2, .dp = 16};
  EXPECT_EQ(GroupOf(narrow, Axis::kData), (RankGroup{16, 4}));
}

// tp 1, dp 32, ep 4: experts among neighbours, their gradients among every fourth.
TEST(GroupOfTest, ExpertGroupsAreNeighboursAndTheirReplicasStrided) {
  const Layout layout{.tp = 1, .ep = 4, .dp = 32};
  EXPECT_EQ(GroupOf(layout, Axis::kExpert), (RankGroup{4, 4}));
  EXPECT_EQ(GroupOf(layout, Axis::kExpertData), (RankGroup{8, 2}));
}

TEST(GroupOfTest, GradientsAreReducedOverContextRanksToo) {
  const Layout layout{.tp = 2, .cp = 2, .dp = 4};
  EXPECT_EQ(GroupOf(layout, Axis::kContext), (RankGroup{2, 2}));
  EXPECT_EQ(GroupOf(layout, Axis::kData), (RankGroup{8, 4}));
}

TEST(GroupOfTest, GroupsWiderThanANode) {
  const Layout layout{.tp = 16, .dp = 2};
  EXPECT_EQ(GroupOf(layout, Axis::kTensor), (RankGroup{16, 8}));
  EXPECT_EQ(GroupOf(layout, Axis::kData), (RankGroup{2, 1, 2}));
}

// Nodes of 8 and tp 3: the third group holds GPUs 6, 7 and 8, so it lies 2 + 1, and all wait for
// it. Nodes of 6 and tp 4: the second holds 4, 5 and 6, 7. A job inside one node never leaves it.
TEST(GroupOfTest, TensorGroupsThatStraddleNodesSetThePace) {
  EXPECT_EQ(GroupOf({.tp = 3, .dp = 8}, Axis::kTensor), (RankGroup{3, 2}));
  EXPECT_EQ(GroupOf({.tp = 4, .dp = 3, .gpus_per_node = 6}, Axis::kTensor), (RankGroup{4, 2}));
  EXPECT_EQ(GroupOf({.tp = 3, .dp = 2}, Axis::kTensor), (RankGroup{3, 3}));
}

// 12 GPUs on nodes of 8, tp 2: dp neighbours at 0, 2 ... 10, four on the first node and two on the
// second: even shares of two nodes are three.
TEST(GroupOfTest, TheLastNodeMayBePartlyUsed) {
  EXPECT_EQ(GroupOf({.tp = 2, .dp = 6}, Axis::kData), (RankGroup{6, 3}));
  EXPECT_EQ(GroupOf({.tp = 12}, Axis::kTensor), (RankGroup{12, 6}));
}

// Nodes of 8, two GPUs a stage: four stages on each of two nodes. Only the step from stage 3 to 4
// and the way back from the last to the first leave a node.
TEST(BoundaryGroupTest, NeighbouringStagesMayShareANode) {
  const Layout layout{.tp = 2, .pp = 8, .dp = 1};
  for (const int64_t stage : {0, 1, 2, 4, 5, 6}) {
    EXPECT_EQ(BoundaryGroup(layout, stage), (RankGroup{2, 2})) << stage;
  }
  EXPECT_EQ(BoundaryGroup(layout, 3), (RankGroup{2, 1}));
  EXPECT_EQ(BoundaryGroup(layout, 7), (RankGroup{2, 1}));
  // Ten of a node's sixteen GPUs: inside, though 5 does not divide 16.
  EXPECT_EQ(BoundaryGroup({.tp = 5, .pp = 2, .gpus_per_node = 16}, 0), (RankGroup{2, 2}));
  EXPECT_EQ(BoundaryGroup({.tp = 8, .pp = 4}, 0), (RankGroup{2, 1}));
}

// Stages of two nodes: the next is two nodes on, the way back from the last to the first six.
TEST(BoundaryGroupTest, StagesOfSeveralNodesLieApart) {
  const Layout layout{.tp = 8, .pp = 4, .dp = 2};
  EXPECT_EQ(BoundaryGroup(layout, 1), (RankGroup{2, 1, 2}));
  EXPECT_EQ(BoundaryGroup(layout, 3), (RankGroup{2, 1, 6}));
}

TEST(FrameworkTest, EveryShippedFrameworkIsReadAndCitesItsSettings) {
  const auto folder = std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs" / "frameworks";
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") {
      continue;
    }
    ++found;
    const auto document = ReadDocument(entry.path());
    ASSERT_TRUE(document) << RenderError(document.error());
    const auto framework = Decode<Framework>(*document);
    ASSERT_TRUE(framework) << RenderError(framework.error());
    EXPECT_EQ(framework->name, entry.path().stem().string());
    for (const char* setting :
         {"dtypes", "attention", "overlap", "gradient_bucket", "default_sharding"}) {
      EXPECT_TRUE(framework->sources.contains(setting)) << framework->name << ": " << setting;
    }
  }
  EXPECT_GE(found, 9);
}

}  // namespace
}  // namespace ridgeline::workloads

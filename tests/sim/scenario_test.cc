#include "sim/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/training/scenarios.h"

namespace ridgeline::sim {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using training::MustResolve;
using training::Resolve;
using training::SmallJob;

std::string ErrorsOf(const std::string& yaml) {
  const Result<Scenario> scenario = Resolve(yaml);
  return scenario ? "" : RenderError(scenario.error());
}

ErrorCode CodeOf(const std::string& yaml) {
  const Result<Scenario> scenario = Resolve(yaml);
  return scenario ? ErrorCode::kInternal : scenario.error().code;
}

TEST(ScenarioTest, DefaultsAreFilledInAndWrittenDown) {
  const Scenario scenario = MustResolve(SmallJob(2, 4, 2, 8, 8));
  EXPECT_EQ(scenario.training->schedule, workloads::ScheduleKind::kInterleaved);
  EXPECT_EQ(scenario.training->sharding, workloads::Sharding::kZero1);
  EXPECT_EQ(scenario.training->micro_batches, 8);
  EXPECT_TRUE(scenario.training->layout.sequence_parallel);
  std::vector<std::string> filled;
  for (const FilledDefault& filled_default : scenario.defaults) {
    filled.push_back(filled_default.path + "=" + filled_default.value);
  }
  EXPECT_THAT(filled,
              testing::IsSupersetOf({"training.schedule=interleaved", "training.parallelism.dp=8",
                                     "training.framework=megatron-core", "seed=1"}));
  EXPECT_THAT(filled, testing::Not(testing::Contains(HasSubstr("training.parallelism.tp"))));
}

TEST(ScenarioTest, AResolvedDocumentResolvesToItself) {
  const Scenario first = MustResolve(SmallJob(2, 4, 2, 8, 8));
  const Scenario second = MustResolve(WriteYaml(first.resolved));
  EXPECT_EQ(WriteYaml(second.resolved), WriteYaml(first.resolved));
  EXPECT_TRUE(second.defaults.empty());
}

TEST(ScenarioTest, AllErrorsComeAtOnceEachAtItsPlace) {
  // Lines: 1 empty, 2 cluster, 3 training, 4 model, 5 its width, 6 sequence_length, 7 global_batch,
  // 8 gpus, 9 parallelism.
  const std::string errors = ErrorsOf(SmallJob(3, 1, 1, 1, 1, "  layers: 40\n"));
  EXPECT_THAT(errors, AllOf(HasSubstr("test.yaml:9:"), HasSubstr("tp 3"),
                            HasSubstr("more layers than the model has: 40 of 16")));
}

TEST(ScenarioTest, MoreGpusThanTheClusterNamesBothAndHowToMend) {
  EXPECT_THAT(
      ErrorsOf(R"(
cluster: {nodes: dgx-h100, count: 2}
training: {model: llama-3.1-8b, sequence_length: 4096, global_batch: 32, gpus: 32}
)"),
      AllOf(HasSubstr("test.yaml:3:"), HasSubstr("more GPUs than the cluster has: 32 of 16"),
            HasSubstr("raise cluster.count to 4")));
}

TEST(ScenarioTest, ABatchThatDoesNotDivideIsRefused) {
  EXPECT_THAT(ErrorsOf(R"(
cluster: {nodes: dgx-h100, count: 1}
training: {model: llama-3.1-8b, sequence_length: 4096, global_batch: 30}
)"),
              AllOf(HasSubstr("30"), HasSubstr("use a multiple of 8 sequences")));
}

TEST(ScenarioTest, WhatIsNotBuiltSaysSoByName) {
  const std::string base = SmallJob(1, 2, 1, 2, 4);
  EXPECT_EQ(CodeOf(base + "  sharding: fsdp\n  schedule: zb-h1\n"), ErrorCode::kUnimplemented);
  EXPECT_EQ(CodeOf(base + "  precision: int8\n"), ErrorCode::kUnimplemented);
  EXPECT_EQ(CodeOf(base + "  offload: {optimizer: true}\n"), ErrorCode::kUnimplemented);
  EXPECT_THAT(ErrorsOf(base + "  sharding: fsdp\n  schedule: zb-h1\n"),
              HasSubstr("not built yet: parameters cut over ranks with weight gradients apart: "
                        "fsdp, schedule zb-h1"));
}

// Each was refused before it was built.
TEST(ScenarioTest, WhatIsBuiltResolves) {
  const std::string base = SmallJob(1, 2, 1, 2, 4);
  EXPECT_EQ(ErrorsOf(base + "  sharding: fsdp\n"), "");
  EXPECT_EQ(ErrorsOf(base + "  schedule: zb-h1\n"), "");
  EXPECT_EQ(ErrorsOf(base + "  precision: fp8\n"), "");
}

TEST(ScenarioTest, ADefaultShardingThatIsNoneIsRefusedRatherThanReplaced) {
  EXPECT_THAT(ErrorsOf(R"(
cluster: {nodes: dgx-h100, count: 1}
training:
  model: llama-3.1-8b
  sequence_length: 4096
  global_batch: 32
  framework: {base: megatron-core, default_sharding: zero1}
)"),
              AllOf(HasSubstr("test.yaml:7:"), HasSubstr("unknown sharding: zero1"),
                    HasSubstr("none, ddp, zero-1, zero-2, zero-3, fsdp")));
}

TEST(ScenarioTest, AStepOfMillionsOfMicroBatchesIsRefusedWithTheMostThatFits) {
  // 2^23 slots, forward and backward, on one rank: 4,194,304 micro-batches.
  EXPECT_THAT(ErrorsOf(SmallJob(1, 1, 1, 1, 5'000'000)),
              AllOf(HasSubstr("too many micro-batches in one step: 5000000"),
                    HasSubstr("at most 4194304 with pp 1 vpp 1")));
}

TEST(ScenarioTest, AnUnknownModelNamesTheNearest) {
  EXPECT_THAT(ErrorsOf(R"(
cluster: {nodes: dgx-h100, count: 1}
training: {model: lama-3.1-8b, sequence_length: 4096, global_batch: 8}
)"),
              AllOf(HasSubstr("test.yaml:3:"), HasSubstr("lama-3.1-8b"),
                    HasSubstr("did you mean llama-3.1-8b?")));
}

TEST(ScenarioTest, ARuleOfTheModelShowsWhereTheModelSaysSo) {
  EXPECT_THAT(
      ErrorsOf(R"(
cluster: {nodes: dgx-h100, count: 8}
training: {model: llama-3.1-70b, sequence_length: 4096, global_batch: 64, parallelism: {tp: 16}}
)"),
      testing::ContainsRegex("note: .*llama-3.1-70b.json:[0-9]+:[0-9]+: num_key_value_heads "
                             "is set here"));
}

TEST(ScenarioTest, ANamedModelIsChangedInline) {
  const Scenario scenario = MustResolve(R"(
cluster: {nodes: dgx-h100, count: 1}
training: {model: {base: llama-3.1-8b, num_hidden_layers: 4}, sequence_length: 4096, global_batch: 8}
)");
  EXPECT_EQ(scenario.training->model.num_layers(), 4);
  EXPECT_EQ(scenario.training->model.hidden, 4096);
}

TEST(ScenarioTest, LaterFilesAndOverridesWin) {
  Node first =
      ParseDocument("a", "cluster: h100-64\ntraining: {micro_batch: 1, recompute: none}").value();
  const Node second = ParseDocument("b", "training: {micro_batch: 2}").value();
  Node merged = MergeNodes(std::move(first), second);
  ASSERT_TRUE(SetPath(merged, "training.recompute", "full", "--set[1]"));
  EXPECT_EQ(merged.Find("training")->Find("micro_batch")->scalar, "2");
  EXPECT_EQ(merged.Find("training")->Find("recompute")->scalar, "full");
  EXPECT_EQ(merged.Find("cluster")->scalar, "h100-64");
}

}  // namespace
}  // namespace ridgeline::sim

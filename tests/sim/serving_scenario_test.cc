#include <gtest/gtest.h>

#include "tests/sim/inference_scenarios.h"

namespace ridgeline::sim {
namespace {

TEST(ServingScenarioTest, DefaultsAreTheEnginesForTheGpu) {
  const Scenario h100 = MustResolve(kServing);
  EXPECT_EQ(h100.serving->max_batched_tokens, 8192);
  EXPECT_EQ(h100.serving->max_sequences, 1024);
  EXPECT_EQ(h100.serving->max_model_len, 131'072);
  EXPECT_EQ(h100.serving->engine.captured_batches.size(), 51U);
  EXPECT_EQ(h100.serving->load->requests.size(), 10U);
  // 80 GB, but excluded by name; 24 GB.
  for (const char* nodes : {"cluster.nodes=dgx-a100", "cluster.nodes=rtx-4090-x8"}) {
    const Scenario other = MustResolve(kServing, {nodes, "cluster.count=1"});
    EXPECT_EQ(other.serving->max_batched_tokens, 2048) << nodes;
    EXPECT_EQ(other.serving->max_sequences, 256) << nodes;
  }
}

TEST(ServingScenarioTest, EveryDefaultIsWrittenDown) {
  const Scenario scenario = MustResolve(kServing);
  const Node* serving = scenario.resolved.Find("serving");
  ASSERT_NE(serving, nullptr);
  EXPECT_EQ(serving->Find("engine")->scalar, "vllm@0.19");
  EXPECT_EQ(serving->Find("scheduler")->Find("max_batched_tokens")->scalar, "8192");
  EXPECT_EQ(serving->Find("memory_fraction")->scalar, "0.9");
}

TEST(ServingScenarioTest, AVersionMustBeTheOneThatThereIs) {
  EXPECT_TRUE(Resolve(kServing, {"serving.engine=vllm@0.19"}).has_value());
  const std::string error = ErrorOf(kServing, {"serving.engine=vllm@0.4"});
  EXPECT_NE(error.find("no such version of vllm: 0.4"), std::string::npos) << error;
  EXPECT_NE(error.find("vllm@0.19"), std::string::npos) << error;
  EXPECT_NE(ErrorOf(kServing, {"serving.engine=vlm"}).find("did you mean vllm"), std::string::npos);
}

TEST(ServingScenarioTest, WhatIsNotBuiltSaysSoByName) {
  const auto expect = [](const std::string& set, const std::string& words) {
    const Result<Scenario> scenario = Resolve(kServing, {set});
    ASSERT_FALSE(scenario.has_value()) << set;
    EXPECT_EQ(scenario.error().code, ErrorCode::kUnimplemented) << set;
    EXPECT_NE(RenderError(scenario.error()).find(words), std::string::npos)
        << RenderError(scenario.error());
  };
  expect("serving.engine=sglang", "the serving engine sglang");
  expect("serving.parallelism.pp=2", "pipeline parallelism");
  expect("serving.parallelism.tp=16", "tensor parallelism over nodes");
  expect("serving.parallelism.ep=2", "expert parallelism");
  expect("serving.precision.weights=fp8", "weights in fp8");
  expect("serving.precision.kv_cache=fp8", "KV cache in fp8");
  expect("serving.model=deepseek-v3", "latent attention");
}

TEST(ServingScenarioTest, BrokenDeploymentsSayWhatWouldDo) {
  const auto expect = [](const std::string& set, const std::string& words) {
    const std::string error = ErrorOf(kServing, {set});
    EXPECT_NE(error.find(words), std::string::npos) << error;
  };
  expect("serving.replicas=9", "9 replicas x tp 2 = 18 of 16");
  expect("serving.parallelism.tp=3", "tp must divide the attention heads: tp 3, 32 heads");
  expect("serving.max_model_len=200000", "longer than the model's positions");
  expect("serving.scheduler.chunked_prefill=false", "without chunked prefill");
  expect("workload.arrivals.trace=nothing", "unknown trace: nothing");
  expect("workload.requests=0", "workload.requests");
}

TEST(ServingScenarioTest, AServingBlockNeedsAWorkload) {
  const std::string text = kServing.substr(0, kServing.find("workload:"));
  EXPECT_NE(ErrorOf(text, {}).find("a serving block without a workload"), std::string::npos);
}

TEST(ServingScenarioTest, ATraceIsFoundByNameAndNamesItsSource) {
  const std::string text = kServing.substr(0, kServing.find("workload:")) +
                           "workload: {arrivals: {trace: mooncake-conversation-200}}\n";
  const Scenario scenario = MustResolve(text);
  EXPECT_EQ(scenario.serving->load->requests.size(), 200U);
  EXPECT_EQ(scenario.serving->load->prefix_block_tokens, 512);
  EXPECT_NE(scenario.serving->load->source.find("Apache-2.0"), std::string::npos);
}

}  // namespace
}  // namespace ridgeline::sim

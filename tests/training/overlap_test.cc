// Communication behind computation, end to end.
#include <gtest/gtest.h>

#include "sim/engine/event_engine.h"
#include "sim/engine/static_sweep.h"
#include "sim/training/step_program.h"
#include "sim/training/time_breakdown.h"
#include "sim/training/training_simulation.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

double Value(const sim::Report& report, std::string_view name) {
  const sim::Metric* metric = report.Find(name);
  if (metric == nullptr) {
    ADD_FAILURE() << "no metric " << name;
    return 0;
  }
  return metric->value;
}

sim::Report MustSimulate(const std::string& yaml) {
  Result<sim::Report> report = SimulateTraining(MustResolve(yaml), {});
  if (!report) {
    ADD_FAILURE() << RenderError(report.error());
    return {};
  }
  return *std::move(report);
}

std::string Wide(bool overlaps) {
  return fmt::format(R"(
cluster: {{nodes: dgx-h100, count: 4}}
training:
  model: {{model_type: decoder, hidden_size: 8192, num_hidden_layers: 4, num_attention_heads: 64, num_key_value_heads: 8,
          intermediate_size: 28672, vocab_size: 32000}}
  sequence_length: 8192
  global_batch: 2
  gpus: 16
  parallelism: {{tp: 8}}
  framework: {{base: megatron-core, overlap: {{tensor_parallel: {}}}}}
)",
                     overlaps);
}

// What hides is less than all that was exposed; smaller products and what the transfers take of the
// GPU make the rest dearer, but not by as much.
TEST(OverlapTest, TensorParallelCollectivesHideBehindProducts) {
  const sim::Report exposed = MustSimulate(Wide(false));
  const sim::Report hidden = MustSimulate(Wide(true));
  EXPECT_LT(Value(hidden, "step_time"), Value(exposed, "step_time"));
  EXPECT_LT(Value(hidden, "time.tensor_parallel"), 0.7 * Value(exposed, "time.tensor_parallel"));
  EXPECT_GE(Value(hidden, "time.matmul"), 0.999999 * Value(exposed, "time.matmul"));
  EXPECT_TRUE(hidden.warnings.empty() ||
              hidden.warnings.front().message.find("overlap") == std::string::npos);
}

// A layer's forward gathers and scatters twice, its backward gathers four times and scatters
// twice: ten times 8,192 x 8,192 x 2 B, four layers; embedding and head scatter and gather it once
// each forward, and backward.
TEST(OverlapTest, CommunicationIsToldByGroup) {
  const sim::Report report = MustSimulate(Wide(false));
  const double boundary = 8192.0 * 8192.0 * 2.0;
  EXPECT_GE(Value(report, "communication.tensor.bytes"), 40 * boundary);
  EXPECT_LT(Value(report, "communication.tensor.bytes"), 48 * boundary);
  EXPECT_DOUBLE_EQ(Value(report, "communication.tensor.exposed"),
                   Value(report, "time.tensor_parallel"));
  EXPECT_GE(Value(report, "communication.tensor.busy"),
            Value(report, "communication.tensor.exposed"));
  ASSERT_EQ(report.communication.size(), 2);
  EXPECT_EQ(report.communication[0].name, "tensor");
  EXPECT_EQ(report.communication[0].where, "inside a node");
  EXPECT_EQ(report.communication[1].name, "data");
  EXPECT_EQ(report.communication[1].ranks, 2);
  EXPECT_EQ(report.communication[1].where, "over 2 nodes");
}

std::string Experts(bool overlaps, int pp, int vpp) {
  return fmt::format(R"(
cluster: {{nodes: dgx-h100, count: 4}}
training:
  model: {{model_type: mixtral, hidden_size: 4096, num_hidden_layers: 8, num_attention_heads: 32, num_key_value_heads: 8,
          intermediate_size: 4096, vocab_size: 32000, num_local_experts: 16, num_experts_per_tok: 4}}
  sequence_length: 4096
  global_batch: {}
  gpus: 32
  parallelism: {{pp: {}, vpp: {}, ep: 16}}
  schedule: {}
  framework: {{base: megatron-core, overlap: {{expert_parallel: {}}}}}
)",
                     32 / pp * 8, pp, vpp, vpp > 1 ? "interleaved" : "1f1b", overlaps);
}

TEST(OverlapTest, ExpertsExchangesHideBehindAnotherMicroBatch) {
  for (const int vpp : {1, 2}) {
    const int pp = vpp == 1 ? 1 : 2;
    const sim::Report exposed = MustSimulate(Experts(false, pp, vpp));
    const sim::Report hidden = MustSimulate(Experts(true, pp, vpp));
    EXPECT_LT(Value(hidden, "step_time"), Value(exposed, "step_time")) << vpp;
    EXPECT_LT(Value(hidden, "time.expert_parallel"), 0.9 * Value(exposed, "time.expert_parallel"));
    // One micro-batch more is in flight.
    EXPECT_GT(Value(hidden, "memory.activations"), Value(exposed, "memory.activations"));
  }
}

TEST(OverlapTest, PairsTakeTheSameTimeAtEveryLevelOfDetailAndUnderBothExecutors) {
  for (const int vpp : {1, 2}) {
    const sim::Scenario scenario = MustResolve(Experts(true, 2, vpp));
    const compute::OperationTime time = compute::OperationTime::Analytic(scenario.cluster);
    const StageCosts stages = CostStages(*scenario.training, time).value();
    const EpilogueCosts epilogue = CostEpilogue(*scenario.training, stages, time).value();
    const auto build = [&](Detail detail) {
      return BuildStepProgram(*scenario.training, stages, epilogue, detail, Stop()).value();
    };
    const StepProgram slots = build(Detail::kSlots);
    const engine::Timeline timeline = engine::StaticSweep(slots.program);
    EXPECT_EQ(engine::ExecuteEvents(slots.program).value().end, timeline.end);
    const std::vector<CauseTimes> booked = BookTime(slots, timeline, Bound::kMean);
    for (const Detail detail : {Detail::kLayers, Detail::kOperations}) {
      const StepProgram finer = build(detail);
      const engine::Timeline finer_timeline = engine::StaticSweep(finer.program);
      EXPECT_EQ(finer_timeline.makespan, timeline.makespan);
      const std::vector<CauseTimes> finer_booked = BookTime(finer, finer_timeline, Bound::kMean);
      for (size_t rank = 0; rank < booked.size(); ++rank) {
        EXPECT_EQ(finer_booked[rank].spans, booked[rank].spans);
        EXPECT_EQ(booked[rank].total(), timeline.makespan);
      }
    }
  }
}

}  // namespace
}  // namespace ridgeline::training

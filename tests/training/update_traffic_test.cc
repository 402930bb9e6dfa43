// Optimizers' states and updates, by hand for one layer of N = 1,000,000 parameters, one matrix of
// 1000 x 1000, in Megatron-LM's types: bf16 parameters, fp32 gradients, moments and master copy.
#include "sim/training/update_traffic.h"

#include <gtest/gtest.h>

#include "sim/simulate.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

using workloads::OptimizerKind;

constexpr double kN = 1e6;

CostedLayer Square(bool is_decoder = true) {
  CostedLayer layer;
  layer.is_decoder = is_decoder;
  layer.parameters.dense = kN;
  layer.matrices = {{.rows = 1000, .columns = 1000}};
  return layer;
}

sim::TrainingScenario With(OptimizerKind optimizer) {
  sim::TrainingScenario training;
  training.optimizer = optimizer;
  return training;
}

double States(OptimizerKind optimizer, double shards = 1, bool is_decoder = true) {
  return StatesOf(With(optimizer), Square(is_decoder), {.dense = shards}).base() / kN;
}

UpdateTraffic TrafficOf(const sim::TrainingScenario& training, const CostedLayer& layer,
                        double shards = 1) {
  UpdateCount count(training, {.dense = shards});
  count.Add(layer);
  return count.Traffic();
}

TEST(Optimizer, AdamKeepsTwelveBytesAParameterSharedByReplicas) {
  // With 2 of the parameter and 4 of the gradient: 18, and 6 + 12 / d.
  EXPECT_DOUBLE_EQ(States(OptimizerKind::kAdamW), 12);
  EXPECT_DOUBLE_EQ(States(OptimizerKind::kAdam), 12);
  EXPECT_DOUBLE_EQ(States(OptimizerKind::kAdamW, 8), 1.5);
}

TEST(Optimizer, OthersKeepLess) {
  EXPECT_DOUBLE_EQ(States(OptimizerKind::kAdam8Bit), 4 + 2 * (1 + 4.0 / 256));
  EXPECT_DOUBLE_EQ(States(OptimizerKind::kSgd), 4 + 4);
  EXPECT_DOUBLE_EQ(States(OptimizerKind::kAdafactor), 4 + 4 * 2000 / kN);
  EXPECT_DOUBLE_EQ(States(OptimizerKind::kMuon), 4 + 4);
  EXPECT_DOUBLE_EQ(States(OptimizerKind::kMuon, 1, /*is_decoder=*/false), 4 + 8);  // a table: Adam
}

TEST(Optimizer, AdafactorKeepsVectorsWhole) {
  CostedLayer layer = Square();
  layer.parameters.dense += 3000;  // norms
  const double bytes = StatesOf(With(OptimizerKind::kAdafactor), layer, {}).base();
  EXPECT_DOUBLE_EQ(bytes, 4 * (kN + 3000) + 4 * 2000 + 4 * 3000);
}

TEST(Update, AdamMovesFortyTwoBytesAParameter) {
  // 4 zeroed, 8 clipped; 4 of the gradient, 8 of the master, 16 of the moments, 2 written.
  const UpdateTraffic traffic = TrafficOf(With(OptimizerKind::kAdamW), Square());
  EXPECT_DOUBLE_EQ(traffic.update.base(), 42 * kN);
  EXPECT_DOUBLE_EQ(traffic.norm.base(), 4 * kN);
  EXPECT_TRUE(traffic.products.empty());
  // Shared by eight, each still zeroes all of its gradients.
  EXPECT_DOUBLE_EQ(TrafficOf(With(OptimizerKind::kAdamW), Square(), 8).update.base(),
                   (4 + 38.0 / 8) * kN);
}

TEST(Update, OtherOptimizersMoveTheirStates) {
  const auto beside = [](OptimizerKind optimizer) {
    return TrafficOf(With(optimizer), Square()).update.base() / kN - 12;
  };
  EXPECT_DOUBLE_EQ(beside(OptimizerKind::kSgd), 4 + 8 + 8 + 2);
  EXPECT_NEAR(beside(OptimizerKind::kAdam8Bit), 4 + 8 + 4 * (1 + 4.0 / 256) + 2, 1e-9);
  EXPECT_DOUBLE_EQ(beside(OptimizerKind::kAdafactor), 3 * 4 + 8 + 2);
  EXPECT_DOUBLE_EQ(beside(OptimizerKind::kMuon), 4 + 8 + 8 + 2 + 5 * 2);
}

TEST(Update, MuonMultipliesEachMatrixFiveTimesThrice) {
  CostedLayer layer = Square();
  layer.matrices = {{.rows = 4000, .columns = 1000, .count = 2}};
  layer.parameters.dense = 8e6;
  const UpdateTraffic traffic = TrafficOf(With(OptimizerKind::kMuon), layer, 4);
  double flops = 0;
  for (const auto& [product, times] : traffic.products) {
    flops += times * FlopsOf(Operation{product}).base();
  }
  // m = 1000, n = 4000: 2 m m n + 2 m m m + 2 m m n a step; 2 matrices shared by 4.
  EXPECT_DOUBLE_EQ(flops, 5 * (8e9 + 2e9 + 8e9) * 2 / 4);
}

TEST(Update, LossScalingReadsAndWritesGradientsOnceMoreAndAsksAllRanks) {
  sim::TrainingScenario training = With(OptimizerKind::kAdamW);
  training.precision = DType::kFp16;
  EXPECT_DOUBLE_EQ(TrafficOf(training, Square()).norm.base(), (4 + 8) * kN);
  training.framework.clips_gradients = false;
  EXPECT_TRUE(MeetsBeforeUpdate(training));
  training.precision = DType::kBf16;
  EXPECT_FALSE(MeetsBeforeUpdate(training));
}

TEST(Update, WeightsAreQuantisedOnceAStep) {
  sim::TrainingScenario training = With(OptimizerKind::kAdamW);
  training.precision = DType::kFp8;
  CostedLayer layer = Square();
  layer.quantized.dense = kN;
  EXPECT_DOUBLE_EQ(TrafficOf(training, layer).quantisation.base(), (2 + 2) * kN);
  training.fp8.keeps_weights = true;  // only the transposed copy
  EXPECT_DOUBLE_EQ(TrafficOf(training, layer).quantisation.base(), 2 * kN);
  training.fp8 = {.scaling = workloads::Fp8Scaling::kCurrent};
  EXPECT_DOUBLE_EQ(TrafficOf(training, layer).quantisation.base(), (2 + 2 + 2) * kN);
}

/// Seconds of a step of four wide layers on eight GPUs, or bytes.
double Metric(const std::string& name, const std::string& more) {
  const sim::Scenario scenario = MustResolve(R"(
cluster: {nodes: dgx-h100, count: 1}
training:
  model: {model_type: decoder, hidden_size: 8192, num_hidden_layers: 4, num_attention_heads: 64, num_key_value_heads: 8,
          intermediate_size: 28672, vocab_size: 32000}
  sequence_length: 8192
  global_batch: 8
  parallelism: {tp: 4}
)" + more);
  const Result<sim::Report> report = sim::Simulate(scenario, {});
  if (!report) {
    ADD_FAILURE() << RenderError(report.error());
    return 0;
  }
  for (const sim::Metric& metric : report->metrics) {
    if (metric.name == name) {
      return metric.value;
    }
  }
  ADD_FAILURE() << name;
  return 0;
}

TEST(Precision, AnFp8StepIsFasterThanBf16AndSlowerThanHalfOfIt) {
  const double bf16 = Metric("step_time", "");
  const double delayed = Metric("step_time", "  precision: fp8\n");
  const double current = Metric("step_time", "  precision: fp8\n  fp8: {scaling: current}\n");
  EXPECT_LT(delayed, 0.95 * bf16);
  EXPECT_GT(delayed, 0.5 * bf16);
  EXPECT_LT(delayed, current);
  EXPECT_LT(current, bf16);
}

TEST(Precision, Fp8WeightsTakeTwoMoreBytesOrNoneWhereTheyAreKeptSo) {
  // Per layer: attention 8192 x (8192 + 2 x 1024 + 8192), feed-forward 3 x 8192 x 28672; over tp 4.
  const double products = 4.0 * 8192 * (2 * 8192 + 2 * 1024 + 3 * 28672) / 4;
  const double bf16 = Metric("memory.weights", "");
  EXPECT_NEAR(Metric("memory.weights", "  precision: fp8\n") - bf16, 2 * products, 1);
  EXPECT_NEAR(Metric("memory.weights", "  precision: fp8\n  fp8: {keeps_weights: true}\n"), bf16,
              1);
}

TEST(Precision, SingleTensorFloatAndHalfRun) {
  const double bf16 = Metric("step_time", "");
  const double fp16 = Metric("step_time", "  precision: fp16\n");
  const double tf32 = Metric("step_time", "  precision: tf32\n");
  const double fp32 = Metric("step_time", "  precision: fp32\n");
  EXPECT_GT(fp16, bf16);  // loss scaling
  EXPECT_LT(fp16, 1.1 * bf16);
  EXPECT_GT(tf32, fp16);
  EXPECT_GT(fp32, tf32);
}

}  // namespace
}  // namespace ridgeline::training

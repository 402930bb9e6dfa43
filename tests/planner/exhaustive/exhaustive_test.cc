// A plan against every configuration of its space, simulated one by one (enumerator.h).
#include <chrono>
#include <iostream>
#include <random>

#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "planner/plan.h"
#include "tests/planner/exhaustive/enumerator.h"

namespace ridgeline::planner {
namespace {

const hardware::Catalog& Shipped() {
  static const hardware::Catalog catalog({RIDGELINE_SOURCE_DIR "/configs"});
  return catalog;
}

Plan MustPlan(const std::string& yaml, const PlanOptions& options) {
  const auto plan = ParseDocument("plan.yaml", yaml).and_then([&](const Node& document) {
    return MakePlan(document, Shipped(), options);
  });
  EXPECT_TRUE(plan.has_value()) << RenderError(plan.error()) << yaml;
  return plan.value_or(Plan{});
}

void ExpectEqual(const Plan& plan, const Enumeration& all) {
  EXPECT_EQ(plan.counts.considered, all.considered);
  EXPECT_EQ(plan.counts.illegal, all.illegal);
  EXPECT_EQ(plan.counts.out_of_memory, all.out_of_memory);
  EXPECT_EQ(plan.counts.bounded + plan.counts.evaluated, all.simulated);
  const Enumeration::Fit* const best = all.Best();
  ASSERT_EQ(plan.is_feasible, best != nullptr);
  if (best == nullptr) {
    return;
  }
  EXPECT_EQ(plan.candidates.front().settings, best->settings);
  EXPECT_EQ(plan.candidates.front().report.Find("step_time")->value, best->step_time);
  EXPECT_EQ(plan.floor, best->step_time);
  EXPECT_EQ(plan.gap, 0);
  // The whole list is the true one.
  std::vector<Enumeration::Fit> fits = all.fits;
  std::stable_sort(fits.begin(), fits.end(),
                   [](const auto& a, const auto& b) { return a.step_time < b.step_time; });
  ASSERT_EQ(plan.candidates.size(), std::min<size_t>(fits.size(), 5));
  for (size_t i = 0; i < plan.candidates.size(); ++i) {
    EXPECT_EQ(plan.candidates[i].settings, fits[i].settings);
  }
}

TEST(ExhaustiveTest, PlanOfLlama70bOn64H100IsTheBestOfTheWholeSpace) {
  const DenseJob job = {.document = R"(
cluster: h100-64
training: {model: llama-3.1-70b, sequence_length: 8192, global_batch: 128, precision: bf16}
)",
                        .gpus = 64,
                        .layers = 80,
                        .heads = 64,
                        .kv_heads = 8,
                        .intermediate = 28672,
                        .sequence_length = 8192,
                        .global_batch = 128};
  const auto begin = std::chrono::steady_clock::now();
  const Plan plan = MustPlan(job.document, {});
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::cout << "planned in " << seconds << " s: " << plan.counts.considered << " considered, "
            << plan.counts.evaluated << " evaluated\n";
  EXPECT_LT(seconds, 5);
  ExpectEqual(plan, Enumerate(job, Shipped(), 40));
}

DenseJob SmallJob(int64_t gpus, int64_t layers, int64_t heads, int64_t kv_heads, int64_t batch,
                  int64_t hidden) {
  const int64_t intermediate = 3 * hidden;
  return {.document = fmt::format(R"(
cluster: {{nodes: dgx-h100, count: {}}}
training:
  model: {{model_type: decoder, hidden_size: {}, num_hidden_layers: {}, num_attention_heads: {},
          num_key_value_heads: {}, intermediate_size: {}, vocab_size: 32000}}
  sequence_length: 4096
  global_batch: {}
  gpus: {}
)",
                                  (gpus + 7) / 8, hidden, layers, heads, kv_heads, intermediate,
                                  batch, gpus),
          .gpus = gpus,
          .layers = layers,
          .heads = heads,
          .kv_heads = kv_heads,
          .intermediate = intermediate,
          .sequence_length = 4096,
          .global_batch = batch};
}

// Widths at which the larger ones do not fit without being spread.
TEST(ExhaustiveTest, PlansOfSmallRandomJobsAreTheBestOfTheirSpaces) {
  std::mt19937_64 random(20261122);
  const auto pick = [&](const std::vector<int64_t>& values) {
    return values[random() % values.size()];
  };
  int feasible = 0;
  for (int round = 0; round < 8; ++round) {
    const int64_t gpus = pick({2, 4, 6, 8, 16});
    const int64_t layers = pick({2, 4, 6});
    const int64_t kv_heads = pick({2, 4});
    const int64_t heads = kv_heads * pick({1, 4});
    const int64_t batch = pick({4, 6, 8, 16});
    const DenseJob job = SmallJob(gpus, layers, heads, kv_heads, batch, heads * pick({128, 1024}));
    const Plan plan = MustPlan(job.document, {});
    ExpectEqual(plan, Enumerate(job, Shipped(), 20));
    ASSERT_FALSE(HasFailure()) << job.document;
    feasible += plan.is_feasible ? 1 : 0;
  }
  EXPECT_GT(feasible, 4);
}

}  // namespace
}  // namespace ridgeline::planner

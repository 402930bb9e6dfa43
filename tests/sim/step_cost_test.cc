#include "sim/serving/step_cost.h"

#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "sim/inference_settings.h"
#include "sim/serving/decode_line.h"
#include "sim/serving/serving_memory.h"
#include "tests/sim/inference_scenarios.h"

namespace ridgeline::serving {
namespace {

using compute::Bound;
using compute::OperationTime;
using workloads::AxisCollective;
using workloads::RepeatedStep;

/// The mean of a list of steps, in picoseconds, straight from the cost models.
double SumOf(const sim::Scenario& scenario, const OperationTime& time,
             const std::vector<RepeatedStep>& steps) {
  const int64_t tp = scenario.serving->tp;
  double sum = 0;
  for (const RepeatedStep& step : steps) {
    Cost cost;
    if (const auto* operation = std::get_if<Operation>(&step.work)) {
      cost = time.CostOf(*operation).value();
    } else {
      const auto& reduce = std::get<AxisCollective>(step.work);
      cost = time.CostOf(Collective{.kind = reduce.kind,
                                    .bytes = reduce.bytes,
                                    .group = {.ranks = tp, .ranks_per_node = tp},
                                    .dtype = reduce.dtype})
                 .value();
    }
    sum += cost.mean.base() * 1e12 * static_cast<double>(step.count);
  }
  return sum;
}

struct Costed {
  explicit Costed(const std::vector<std::string>& overrides = {})
      : scenario(sim::MustResolve(sim::kServing, overrides)),
        time(OperationTime::Analytic(scenario.cluster)),
        cost(MakeStepCost(scenario, time, Bound::kMean).value()) {}
  sim::Scenario scenario;
  OperationTime time;
  std::unique_ptr<StepCost> cost;
};

// 5 sequences are padded to 8; their head is not.
TEST(StepCostTest, ADecodeStepIsWithinAMillionthOfItsOperations) {
  for (const char* model : {"serving.model=llama-3.1-8b", "serving.model=qwen3-30b-a3b"}) {
    Costed costed({model});
    const auto settings = sim::SettingsOf(*costed.scenario.serving, costed.scenario.cluster);
    for (const int64_t sequences : {1, 5, 300}) {
      const int64_t padded = sequences == 5 ? 8 : sequences == 300 ? 304 : 1;
      const auto body = workloads::LowerTokens(settings, padded, 0);
      const auto head = workloads::LowerTokens(settings, 0, sequences);
      const double fixed =
          SumOf(costed.scenario, costed.time, *body) + SumOf(costed.scenario, costed.time, *head);
      for (const int64_t context : {1, 2, 17, 100, 1000, 4097, 40'000}) {
        const auto attention =
            workloads::LowerAttention(settings, AttentionPhase::kDecode, sequences, 1, context);
        const double exact = fixed + SumOf(costed.scenario, costed.time, *attention);
        const auto got = static_cast<double>(costed.cost->Of(
            {.chunks = {}, .decodes = sequences, .decode_context = sequences * context}));
        EXPECT_NEAR(got / exact, 1.0, 1e-6) << model << " " << sequences << " " << context;
      }
    }
  }
}

TEST(StepCostTest, ADecodeLineHoldsUpToWhereItSays) {
  Costed costed;
  for (const int64_t sequences : {1, 7, 256}) {
    int64_t context = sequences;
    for (int cell = 0; cell < 50; ++cell) {
      const DecodeTime line = costed.cost->Decode(sequences, context);
      ASSERT_GE(line.valid_to, context);
      const int64_t last = std::min<int64_t>(line.valid_to, 100'000'000);
      for (const int64_t at : {context, context + (last - context) / 2, last}) {
        EXPECT_EQ(costed.cost->Of({.chunks = {}, .decodes = sequences, .decode_context = at}),
                  line.base + line.per_token * at);
      }
      context = last + 1;
    }
  }
}

TEST(StepCostTest, APrefillStepIsItsTokensAndItsChunks) {
  Costed costed;
  const auto settings = sim::SettingsOf(*costed.scenario.serving, costed.scenario.cluster);
  const std::array<PrefillChunk, 2> chunks = {
      {{.tokens = 700, .context = 300}, {.tokens = 100, .context = 0}}};
  const double exact =
      SumOf(costed.scenario, costed.time, *workloads::LowerTokens(settings, 803, 0)) +
      SumOf(costed.scenario, costed.time, *workloads::LowerTokens(settings, 0, 5)) +
      SumOf(costed.scenario, costed.time,
            *workloads::LowerAttention(settings, AttentionPhase::kPrefill, 1, 700, 1000)) +
      SumOf(costed.scenario, costed.time,
            *workloads::LowerAttention(settings, AttentionPhase::kPrefill, 1, 100, 100)) +
      SumOf(costed.scenario, costed.time,
            *workloads::LowerAttention(settings, AttentionPhase::kDecode, 3, 1, 500));
  const auto got = static_cast<double>(
      costed.cost->Of({.chunks = chunks, .decodes = 3, .decode_context = 1500, .sampled = 5}));
  EXPECT_NEAR(got / exact, 1.0, 1e-6);
}

// With 6 sequences sizes up to 12 are captured: 1, 2, 4, 8. Seven tokens run as eight; what differs
// is their attention, which is nothing beside the weights.
TEST(StepCostTest, ASmallStepIsPaddedToTheNextCapturedSize) {
  Costed costed({"serving.scheduler.max_sequences=6"});
  const std::array<PrefillChunk, 1> seven = {{{.tokens = 7, .context = 0}}};
  const std::array<PrefillChunk, 1> eight = {{{.tokens = 8, .context = 0}}};
  EXPECT_NEAR(static_cast<double>(costed.cost->Of({.chunks = seven, .sampled = 1})) /
                  static_cast<double>(costed.cost->Of({.chunks = eight, .sampled = 1})),
              1.0, 1e-3);
}

TEST(StepCostTest, AHostThatDoesNotOverlapIsAddedAndOneThatDoesIsHidden) {
  sim::Scenario scenario = sim::MustResolve(sim::kServing);
  const OperationTime time = OperationTime::Analytic(scenario.cluster);
  const StepBatch batch{.chunks = {}, .decodes = 4, .decode_context = 4000};
  const auto span = [&] { return MakeStepCost(scenario, time, Bound::kMean).value()->Of(batch); };
  const engine::Picoseconds gpu = span();
  scenario.serving->engine.host_time_per_step = Microseconds(100);
  scenario.serving->engine.host_time_per_sequence = Microseconds(1);
  EXPECT_EQ(span(), gpu);
  scenario.serving->engine.overlaps_host = false;
  EXPECT_EQ(span(), gpu + 104'000'000);
  scenario.serving->engine.overlaps_host = true;
  scenario.serving->engine.host_time_per_step = Microseconds(50'000);
  EXPECT_EQ(span(), 50'004'000'000);
}

TEST(StepCostTest, TheRangeHoldsTheMean) {
  Costed costed;
  const StepBatch batch{.chunks = {}, .decodes = 32, .decode_context = 32'000};
  const auto at = [&](Bound bound) {
    return MakeStepCost(costed.scenario, costed.time, bound).value()->Of(batch);
  };
  EXPECT_LE(at(Bound::kLow), at(Bound::kMean));
  EXPECT_LE(at(Bound::kMean), at(Bound::kHigh));
}

// max(10, 2 k, 5 k - 300): pieces meet at k = 5 and k = 100; with four sequences at totals of 20
// and 400.
TEST(DecodeLineTest, PiecesMeetWhereTheTimesDo) {
  const auto pieces = FindDecodePieces(4, 1000, [](int64_t k) -> Result<double> {
    const auto tokens = static_cast<double>(k);
    return std::max({10.0, 2 * tokens, 5 * tokens - 300});
  });
  ASSERT_TRUE(pieces.has_value());
  ASSERT_EQ(pieces->size(), 3U);
  EXPECT_EQ((*pieces)[0].to, 20);
  EXPECT_EQ((*pieces)[1].to, 400);
  EXPECT_DOUBLE_EQ((*pieces)[1].slope, 0.5);
  EXPECT_DOUBLE_EQ((*pieces)[2].intercept, -300);
}

// vLLM 0.19 on a 24 GB RTX 4090: 2,588 blocks of 16 tokens (engine metadata of a published run,
// casys-kaist/LLMServingSim). Nothing here is fitted to it; a tenth is what the peak of activations
// is known to.
TEST(ServingMemoryTest, Llama8bOnAnRtx4090HasNearlyTheBlocksThatVllmReports) {
  const sim::Scenario scenario = sim::MustResolve(
      sim::kServing, {"cluster.nodes=rtx-4090-x8", "cluster.count=1", "serving.parallelism.tp=1"});
  const ServingMemory memory = CountServingMemory(scenario);
  EXPECT_EQ(memory.block.base(), 16 * 131'072.0);
  EXPECT_TRUE(memory.fits);
  EXPECT_NEAR(static_cast<double>(memory.blocks) / 2588.0, 1.0, 0.1);
  RecordProperty("blocks", static_cast<int>(memory.blocks));
  std::printf("blocks %lld, activations %.3f GiB\n", static_cast<long long>(memory.blocks),
              memory.activations.base() / 1073741824.0);
}

TEST(ServingMemoryTest, PartsAddUpToTheBoard) {
  const sim::Scenario scenario = sim::MustResolve(sim::kServing);
  const ServingMemory memory = CountServingMemory(scenario);
  EXPECT_NEAR(
      (memory.weights + memory.activations + memory.context + memory.kv_cache + memory.unused)
          .base(),
      scenario.cluster.gpu.memory.capacity.base(), 1.0);
}

TEST(ServingMemoryTest, AModelThatIsTooLargeHasNoBlocks) {
  const ServingMemory memory =
      CountServingMemory(sim::MustResolve(sim::kServing, {"serving.model=llama-3.1-405b"}));
  EXPECT_EQ(memory.blocks, 0);
  EXPECT_FALSE(memory.fits);
}

}  // namespace
}  // namespace ridgeline::serving

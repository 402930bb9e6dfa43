/// Full-rank mode on random jobs: it agrees with the step of one rank a stage, books all time, and
/// slower ranks never help.
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/training/full_rank_jobs.h"
#include "tests/training/full_rank_oracle.h"

namespace ridgeline::training {
namespace {

using engine::Picoseconds;
using workloads::RankVariation;

std::string RandomTimes() {
  if (*rc::gen::arbitrary<bool>()) {
    return "{}";
  }
  const auto time = [] { return *rc::gen::element(0, 1, 4, 15, 60, 400); };
  return fmt::format(
      "{{forward: {{matmul: {} us, attention: {} us, elementwise: {} us, collective: {} us}}, "
      "layer_backward: {} us, step: {} us, update: {} us, launch_latency: {} us}}",
      time(), time(), time(), time(), time(), time(), time(), time());
}

RankedJob RandomJob() {
  const int tp = *rc::gen::element(1, 2, 4);
  const std::string framework =
      *rc::gen::element<std::string>("megatron-core", "megatron-lm-2021", "pytorch-eager");
  // Attention by separate products knows no shared-out sequences.
  const int cp = framework == "megatron-core" ? *rc::gen::element(1, 2) : 1;
  const int pp = *rc::gen::element(1, 2, 4);
  const bool has_experts = *rc::gen::arbitrary<bool>();
  const int dp = *rc::gen::element(1, 2, 4);
  const int ep = has_experts ? *rc::gen::element(1, dp) : 1;
  const std::string schedule =
      pp == 1 ? "1f1b"
              : *rc::gen::element<std::string>("gpipe", "1f1b", "interleaved", "zb-h1", "zb-v");
  const int vpp = schedule == "interleaved" || schedule == "zb-v" ? 2 : 1;
  const std::string sharding = *rc::gen::element<std::string>("ddp", "zero-1", "zero-2");
  const auto overlaps = [] { return *rc::gen::arbitrary<bool>() ? "true" : "false"; };
  const std::string recompute = *rc::gen::element<std::string>("none", "full");
  const std::string model =
      has_experts
          ? "model_type: mixtral, hidden_size: 1024, num_hidden_layers: 16, num_attention_heads: "
            "16, num_key_value_heads: 8, intermediate_size: 1024, vocab_size: 32000, "
            "num_local_experts: 8, num_experts_per_tok: 2"
          : "model_type: decoder, hidden_size: 1024, num_hidden_layers: 16, num_attention_heads: "
            "16, num_key_value_heads: 8, intermediate_size: 4096, vocab_size: 32000";
  const int micro_batches = 2 * pp;
  const std::string yaml = fmt::format(
      "cluster: {{nodes: dgx-h100, count: 64}}\n"
      "training:\n"
      "  model: {{{}}}\n"
      "  sequence_length: 2048\n  global_batch: {}\n  gpus: {}\n"
      "  parallelism: {{tp: {}, pp: {}, vpp: {}, cp: {}, ep: {}}}\n"
      "  schedule: {}\n  sharding: {}\n  recompute: {}\n"
      "  framework: {{base: {}, host: {}, overlap: {{gradient_reduce: {}, parameter_gather: {}, "
      "pipeline_sends: {}}}}}\n",
      model, micro_batches * dp, tp * pp * dp * cp, tp, pp, vpp, cp, ep, schedule, sharding,
      recompute, framework, RandomTimes(), overlaps(), overlaps(), overlaps());
  Result<sim::Scenario> scenario = Resolve(yaml);
  if (!scenario) {
    RC_LOG() << RenderError(scenario.error()) << yaml;
  }
  RC_ASSERT(scenario.has_value());
  RC_LOG() << yaml;
  return CostRankedJob(*std::move(scenario));
}

RankVariation SlowRanks(std::vector<workloads::SlowRank> slow) {
  return {.all = false, .speed_spread = 0, .jitter = 0, .slow = std::move(slow), .steps = 1};
}

TEST(FullRankProperty, HealthyRanksAgreeWithTheSymmetricStepToThePicosecondAndByCause) {
  EXPECT_TRUE(rc::check([] {
    const RankedJob job = RandomJob();
    StepProgram step =
        BuildStepProgram(job.training(), job.stages, job.epilogue, Detail::kSlots, Stop()).value();
    const Bound bound = *rc::gen::element(Bound::kMean, Bound::kHigh);
    if (bound == Bound::kHigh) {
      step.program.ReplaceDurations(std::move(step.high));
    }
    const engine::Timeline timeline = engine::StaticSweep(step.program);
    const std::vector<CauseTimes> booked = BookTime(step, timeline, bound);
    const FullRankResult full = RunRanks(job, {}, bound);
    RC_ASSERT(full.makespan == timeline.makespan);
    const StageRanks ranks(job.training().layout);
    for (size_t stage = 0; stage < ranks.stages(); ++stage) {
      for (size_t replica = 0; replica < ranks.replicas(); ++replica) {
        const CauseTimes& times = full.by_rank[static_cast<size_t>(ranks.RankOf(stage, replica))];
        for (size_t cause = 0; cause < kNumCauses; ++cause) {
          RC_LOG() << "stage " << stage << " " << CauseName(static_cast<Cause>(cause)) << ": "
                   << times.spans[cause] << " and " << booked[stage].spans[cause] << "\n";
          RC_ASSERT(times.spans[cause] == booked[stage].spans[cause]);
        }
      }
    }
  }));
}

TEST(FullRankProperty, EveryRanksCausesAddUpWhateverIsDrawn) {
  EXPECT_TRUE(rc::check([] {
    const RankedJob job = RandomJob();
    const RankVariation variation = {.all = true,
                                     .speed_spread = *rc::gen::element(0.0, 0.02, 0.3),
                                     .jitter = *rc::gen::element(0.0, 0.02, 0.3),
                                     .slow = {},
                                     .steps = 1};
    const FullRankResult full = RunRanks(job, variation);
    for (const CauseTimes& times : full.by_rank) {
      RC_ASSERT(times.total() == full.makespan);
      for (const Picoseconds span : times.spans) {
        RC_ASSERT(span >= 0);
      }
    }
  }));
}

TEST(FullRankProperty, ASlowerRankNeverMakesTheStepShorter) {
  EXPECT_TRUE(rc::check([] {
    const RankedJob job = RandomJob();
    const auto rank = *rc::gen::inRange<int64_t>(0, job.training().layout.gpus());
    Picoseconds before = RunRanks(job, {}).makespan;
    for (const double factor : {1.001, 1.3, 4.0}) {
      const Picoseconds slowed = RunRanks(job, SlowRanks({{rank, factor}})).makespan;
      RC_ASSERT(slowed >= before);
      before = slowed;
    }
  }));
}

TEST(FullRankProperty, RanksThatAreAllTwiceAsSlowComputeTwiceAsLongAndWaitForNoPeer) {
  EXPECT_TRUE(rc::check([] {
    const RankedJob job = RandomJob();
    std::vector<workloads::SlowRank> all;
    for (int64_t rank = 0; rank < job.training().layout.gpus(); ++rank) {
      all.push_back({rank, 2.0});
    }
    const FullRankResult healthy = RunRanks(job, {});
    const FullRankResult slowed = RunRanks(job, SlowRanks(std::move(all)));
    for (size_t rank = 0; rank < healthy.by_rank.size(); ++rank) {
      RC_ASSERT(ComputeOf(slowed.by_rank[rank]) == 2 * ComputeOf(healthy.by_rank[rank]));
      RC_ASSERT(slowed.by_rank[rank][Cause::kStraggler] == 0);
    }
  }));
}

TEST(FullRankProperty, OneSlowGpuCostsWhatAPipelineWithASlowStageDoes) {
  EXPECT_TRUE(rc::check([] {
    const RankedJob job = RandomJob();
    StageRanks ranks(job.training().layout);
    const auto stage = *rc::gen::inRange<size_t>(0, ranks.stages());
    const auto replica = *rc::gen::inRange<size_t>(0, ranks.replicas());
    const double factor = *rc::gen::element(1.001, 1.2, 2.0, 5.0);
    const FullRankResult slowed =
        RunRanks(job, SlowRanks({{ranks.RankOf(stage, replica), factor}}));
    RC_LOG() << "stage " << stage << " replica " << replica << " factor " << factor << "\n";
    RC_ASSERT(slowed.makespan ==
              StepWithSlowStage(job.training(), job.stages, job.epilogue, stage, factor));
  }));
}

}  // namespace
}  // namespace ridgeline::training

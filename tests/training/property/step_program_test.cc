/// INV-6 and INV-7 and the equality of executors and of levels of detail, on random jobs.
#include "sim/training/step_program.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "sim/engine/event_engine.h"
#include "sim/engine/static_sweep.h"
#include "sim/training/time_breakdown.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

struct Job {
  sim::Scenario scenario;
  StageCosts stages;
  EpilogueCosts epilogue;
};

/// Of a framework: none, or such that some operations are shorter and some longer on the host.
std::string RandomHost() {
  if (*rc::gen::arbitrary<bool>()) {
    return "{}";
  }
  const auto time = [] { return *rc::gen::element(0, 1, 4, 15, 60, 400); };
  const auto work = [&] {
    return fmt::format("{{matmul: {} us, attention: {} us, elementwise: {} us, collective: {} us}}",
                       time(), time(), time(), time());
  };
  return fmt::format(
      "{{forward: {}, backward: {}, layer_forward: {} us, layer_backward: {} us, step: {} us, "
      "update: {} us, update_per_layer: {} us, launch_latency: {} us}}",
      work(), work(), time(), time(), time(), time(), time(), time());
}

/// Of the small job's 16 layers: by the rule, or some moved from one chunk to the next; the first
/// and the last may have none.
std::string RandomStages(int chunks) {
  if (*rc::gen::arbitrary<bool>()) {
    return "";
  }
  std::vector<int> layers(static_cast<size_t>(chunks), 16 / chunks);
  for (size_t chunk = 0; chunk + 1 < layers.size(); ++chunk) {
    const int least = chunk == 0 ? 0 : 1;
    const int moved = *rc::gen::inRange(0, layers[chunk] - least + 1);
    layers[chunk] -= moved;
    layers[chunk + 1] += moved;
  }
  return fmt::format("  stage_layers: [{}]\n", fmt::join(layers, ", "));
}

Job RandomJob() {
  const int tp = *rc::gen::element(1, 2, 4, 8);
  const int pp = *rc::gen::element(1, 2, 4);
  const std::string schedule = pp > 1
                                   ? *rc::gen::element<std::string>("gpipe", "1f1b", "interleaved",
                                                                    "zb-h1", "zb-v", "dualpipe")
                                   : *rc::gen::element<std::string>("gpipe", "1f1b", "zb-h1");
  const int vpp = schedule == "interleaved" || schedule == "zb-v" ? 2 : 1;
  const int dp = *rc::gen::element(1, 2, 8);
  const int rounds = *rc::gen::inRange(1, 4) + (schedule == "dualpipe" ? 1 : 0);
  const bool splits = schedule == "zb-h1" || schedule == "zb-v" || schedule == "dualpipe";
  const std::string recompute = *rc::gen::element<std::string>(
      "none", "selective", "full", "operations",
      "modules\n  recompute_detail: {modules: [norm, feed-forward]}",
      "full\n  recompute_detail: {layers: 1}", "optimal\n  recompute_detail: {budget: 6 GB}");
  const std::string layers = *rc::gen::element<std::string>(
      "", "", "  offload: {activations: 0.5}\n", "  lora: {rank: 8}\n",
      "  lora: {rank: 8, attention: false}\n", "  next_token_layers: 1\n");
  const std::string sharding =
      splits ? *rc::gen::element<std::string>("ddp", "zero-1", "zero-2")
             : *rc::gen::element<std::string>("ddp", "zero-1", "zero-2", "zero-3", "fsdp");
  const std::string reshard = *rc::gen::arbitrary<bool>() ? "true" : "false";
  const std::string framework = *rc::gen::element(
      std::string("megatron-core"), std::string("megatron-lm-2021"), std::string("pytorch-eager"));
  // Contexts over what is left of 512 GPUs; no kernel with scores in memory shares a sequence.
  const int cp =
      framework != "megatron-lm-2021" && tp * pp * dp <= 128 ? *rc::gen::element(1, 1, 2, 4) : 1;
  std::string spread = *rc::gen::element<std::string>(
      "", ", context: {exchange: all-to-all}", ", context: {exchange: all-gather}",
      ", order: [cp, tp, pp, dp]", ", order: [dp, tp, cp, pp], context: {exchange: both, inner: 1}",
      ", shard: 1");
  if (spread.find("all-to-all") != std::string::npos && tp * cp > 8) {
    spread.clear();  // each rank takes a KV head at least
  }
  Job job;
  const std::string document = SmallJob(
      tp, pp, vpp, dp, rounds * pp,
      fmt::format("{}{}  schedule: {}\n  recompute: {}\n  sharding: {}\n  reshard: {}\n"
                  "  framework: {{base: {}, host: {}, overlap: {{tensor_parallel: {}}}}}\n",
                  layers, RandomStages(pp * vpp), schedule, recompute, sharding, reshard, framework,
                  RandomHost(), *rc::gen::arbitrary<bool>()),
      cp, spread);
  RC_LOG() << document;
  job.scenario = MustResolve(document);
  RC_ASSERT(job.scenario.training.has_value());
  const compute::OperationTime time = compute::OperationTime::Analytic(job.scenario.cluster);
  job.stages = CostStages(*job.scenario.training, time).value();
  job.epilogue = CostEpilogue(*job.scenario.training, job.stages, time).value();
  return job;
}

StepProgram Build(const Job& job, Detail detail) {
  return BuildStepProgram(*job.scenario.training, job.stages, job.epilogue, detail, Stop()).value();
}

/// Causes as they must agree. What a rank waits for adapters' parameters of its second chunk, some
/// microseconds, is called a bubble by slots and data parallel by operations: a known fault of the
/// names, not of the time, so the two are compared together there and apart everywhere else.
std::array<engine::Picoseconds, kNumCauses> Comparable(const Job& job, CauseTimes times) {
  if (job.scenario.training->lora.rank > 0) {
    times[Cause::kBubble] += times[Cause::kDataParallel];
    times[Cause::kDataParallel] = 0;
  }
  return times.spans;
}

TEST(StepProgramProperty, LevelsOfDetailAndBothExecutorsAgreeToThePicosecond) {
  EXPECT_TRUE(rc::check([] {
    const Job job = RandomJob();
    const StepProgram slots = Build(job, Detail::kSlots);
    const engine::Timeline timeline = engine::StaticSweep(slots.program);
    const std::vector<CauseTimes> booked = BookTime(slots, timeline, Bound::kMean);
    RC_ASSERT(engine::ExecuteEvents(slots.program).value().end == timeline.end);
    for (const Detail detail : {Detail::kLayers, Detail::kOperations}) {
      const StepProgram finer = Build(job, detail);
      const engine::Timeline finer_timeline = engine::StaticSweep(finer.program);
      RC_ASSERT(finer_timeline.makespan == timeline.makespan);
      RC_ASSERT(engine::ExecuteEvents(finer.program).value().end == finer_timeline.end);
      const std::vector<CauseTimes> finer_booked = BookTime(finer, finer_timeline, Bound::kMean);
      for (size_t rank = 0; rank < booked.size(); ++rank) {
        RC_ASSERT(Comparable(job, finer_booked[rank]) == Comparable(job, booked[rank]));
      }
    }
  }));
}

TEST(StepProgramProperty, EveryPicosecondOfEveryRankIsBookedOnce) {
  EXPECT_TRUE(rc::check([] {
    const Job job = RandomJob();
    const StepProgram step = Build(job, Detail::kSlots);
    const engine::Timeline timeline = engine::StaticSweep(step.program);
    for (const CauseTimes& times : BookTime(step, timeline, Bound::kMean)) {
      RC_ASSERT(times.total() == timeline.makespan);
      for (const engine::Picoseconds span : times.spans) {
        RC_ASSERT(span >= 0);
      }
    }
  }));
}

TEST(StepProgramProperty, NoStepBeatsItsBusiestRankNorItsRange) {
  EXPECT_TRUE(rc::check([] {
    const Job job = RandomJob();
    StepProgram step = Build(job, Detail::kSlots);
    const engine::Picoseconds mean = engine::StaticSweep(step.program).makespan;
    std::vector<engine::Picoseconds> busy(step.program.num_streams(), 0);
    for (engine::TaskIndex task = 0; task < step.program.num_tasks(); ++task) {
      busy[step.program.task_streams()[task]] += step.program.durations()[task];
    }
    RC_ASSERT(mean >= *std::max_element(busy.begin(), busy.end()));
    step.program.ReplaceDurations(std::move(step.low));
    RC_ASSERT(engine::StaticSweep(step.program).makespan <= mean);
    step.program.ReplaceDurations(std::move(step.high));
    RC_ASSERT(engine::StaticSweep(step.program).makespan >= mean);
  }));
}

}  // namespace
}  // namespace ridgeline::training

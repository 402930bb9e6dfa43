// The step without its program against the program swept, and the bound against both.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/diagnostic.h"
#include "sim/engine/static_sweep.h"
#include "sim/scenario.h"
#include "sim/training/step_program.h"
#include "sim/training/step_sweep.h"

namespace ridgeline::training {
namespace {

/// A small job of any legal shape.
std::string RandomJob() {
  const auto tp = *rc::gen::element<int64_t>(1, 2, 4);
  const auto pp = *rc::gen::element<int64_t>(1, 2, 4, 8);
  const std::string schedule = *rc::gen::element<std::string>(
      "", "", "", pp > 1 ? "zb-v" : "gpipe", "zb-h1", pp > 1 ? "dualpipe" : "1f1b");
  const auto vpp = schedule == "zb-v"             ? 2
                   : pp == 1 || !schedule.empty() ? 1
                                                  : *rc::gen::element<int64_t>(1, 2, 3);
  const auto dp = *rc::gen::element<int64_t>(1, 2, 4);
  const auto micro_batch = *rc::gen::element<int64_t>(1, 2);
  const auto groups = *rc::gen::inRange<int64_t>(1, 5);
  const auto micro_batches = schedule == "dualpipe" ? 2 * (pp + groups)
                             : vpp > 1              ? groups * pp
                                                    : *rc::gen::inRange<int64_t>(1, 20);
  // With two fewer layers, embedding and head take a layer's place each.
  const auto layers =
      pp * vpp * *rc::gen::element<int64_t>(2, 3) - (pp > 1 && *rc::gen::arbitrary<bool>() ? 2 : 0);
  const auto flag = [] { return *rc::gen::arbitrary<bool>() ? "true" : "false"; };
  const std::string overlap = fmt::format(
      "{{gradient_reduce: {}, parameter_gather: {}, pipeline_sends: {}}}", flag(), flag(), flag());
  const auto host_time = [] { return *rc::gen::element(0, 2, 30, 400); };
  const std::string host =
      *rc::gen::arbitrary<bool>()
          ? "{}"
          : fmt::format(
                "{{forward: {{matmul: {} us, elementwise: {} us}}, backward: {{matmul: {} us, "
                "collective: {} us}}, layer_backward: {} us, step: {} us, update: {} us, "
                "update_per_layer: {} us, launch_latency: {} us}}",
                host_time(), host_time(), host_time(), host_time(), host_time(), host_time(),
                host_time(), host_time(), host_time());
  return fmt::format(
      R"(
cluster: {{nodes: dgx-h100, count: 64}}
training:
  model: {{model_type: decoder, hidden_size: {}, num_hidden_layers: {}, num_attention_heads: 16,
          num_key_value_heads: 8, intermediate_size: 4096, vocab_size: {}, tie_word_embeddings: {}}}
  sequence_length: 1024
  global_batch: {}
  micro_batch: {}
  gpus: {}
  parallelism: {{tp: {}, pp: {}, vpp: {}}}
  {}sharding: {}
  reshard: {}
  recompute: {}
  framework: {{base: megatron-core, overlap: {}, gradient_bucket: {} MB, host: {}}}
)",
      *rc::gen::element(512, 2048), layers, *rc::gen::element(1024, 128000), flag(),
      dp * micro_batch * micro_batches, micro_batch, tp * pp * dp, tp, pp, vpp,
      !schedule.empty()                         ? fmt::format("schedule: {}\n  ", schedule)
      : vpp == 1 && *rc::gen::arbitrary<bool>() ? "schedule: gpipe\n  "
                                                : "",
      !schedule.empty() ? *rc::gen::element<std::string>("ddp", "zero-1", "zero-2")
                        : *rc::gen::element<std::string>("ddp", "zero-1", "zero-2", "fsdp"),
      flag(), *rc::gen::element<std::string>("none", "full"), overlap,
      *rc::gen::element(1, 20, 400), host);
}

TEST(StepSweepProperty, EqualsTheStaticSweepOfTheProgramAndNeverBeatsItsBound) {
  const hardware::Catalog catalog({RIDGELINE_SOURCE_DIR "/configs"});
  StepSweep sweep;  // one for all: what it keeps must not leak into the next
  const bool is_true = rc::check("step sweep = static sweep >= bound", [&] {
    const std::string yaml = RandomJob();
    const auto scenario = ParseDocument("job.yaml", yaml).and_then([&](const Node& document) {
      return sim::ResolveScenario(document, catalog);
    });
    if (!scenario) {
      RC_FAIL(RenderError(scenario.error()) + yaml);
    }
    const sim::TrainingScenario& training = *scenario->training;
    const auto time = compute::OperationTime::Analytic(scenario->cluster);
    const StageCosts stages = CostStages(training, time).value();
    const EpilogueCosts epilogue = CostEpilogue(training, stages, time).value();
    const StepProgram program =
        BuildStepProgram(training, stages, epilogue, Detail::kSlots, {}).value();
    const engine::Picoseconds expected = engine::StaticSweep(program.program).makespan;
    sweep.Load(training, stages, epilogue);
    RC_LOG() << yaml;
    RC_ASSERT(sweep.Makespan({}).value() == expected);
    const engine::Picoseconds bound = sweep.LowerBound();
    RC_ASSERT(bound <= expected);
    RC_TAG(static_cast<double>(bound) > 0.98 * static_cast<double>(expected));
  });
  EXPECT_TRUE(is_true);
}

}  // namespace
}  // namespace ridgeline::training

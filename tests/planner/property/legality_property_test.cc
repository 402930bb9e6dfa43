// Points that the planner calls legal against workloads::CheckLayout, and INV-8: what a search
// leaves out is never better than its answer.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/diagnostic.h"
#include "planner/plan.h"
#include "planner/training_legality.h"
#include "sim/simulate.h"

namespace ridgeline::planner {
namespace {

const hardware::Catalog& Shipped() {
  static const hardware::Catalog catalog({RIDGELINE_SOURCE_DIR "/configs"});
  return catalog;
}

Node RandomDocument() {
  const auto any = [](std::initializer_list<const char*> lines) {
    return std::string(*rc::gen::elementOf(std::vector<std::string>(lines.begin(), lines.end())));
  };
  const std::string yaml =
      "cluster: {nodes: dgx-h100, count: 3}\ntraining:\n  sequence_length: 4096\n" +
      any({"  model: llama-3.1-8b\n", "  model: mixtral-8x7b-v0.1\n", "  model: gpt-3-1.3b\n"}) +
      any({"  layers: 4\n", "  layers: 6\n", "  layers: 10\n"}) +
      any({"  global_batch: 12\n", "  global_batch: 32\n", "  global_batch: 48\n"}) +
      any({"  gpus: 8\n", "  gpus: [12, 24]\n", "  gpus: 16\n", ""}) +
      any({"  schedule: 1f1b\n", "  schedule: interleaved\n", "", ""}) +
      any({"  parallelism: {dp: 2}\n", "  parallelism: {tp: [1, 2, 3]}\n",
           "  parallelism: {sequence_parallel: false}\n", "  parallelism: {cp: 2}\n",
           "  parallelism: {cp: 2, order: [cp, tp, pp, dp], context: {exchange: all-to-all}}\n",
           "  parallelism: {shard: 2}\n", "", ""});
  return ParseDocument("plan.yaml", yaml).value();
}

/// By the program's own rules, asked in full.
bool IsLegal(const TrainingSpace& space, const TrainingSettings& at) {
  const workloads::LayoutRequest request = {
      .parallelism = {.tp = at.tp,
                      .pp = at.pp,
                      .vpp = at.vpp,
                      .cp = space.training().layout.cp,
                      .ep = at.ep,
                      .etp = space.etp,
                      .dp = space.dp,
                      .shard = space.shard,
                      .context = {.exchange = space.training().layout.exchange},
                      .order = space.training().layout.order,
                      .sequence_parallel = space.sequence_parallel},
      .gpus = at.gpus,
      .gpus_per_node = space.scenario.cluster.node.gpus,
      .global_batch = space.training().global_batch,
      .micro_batch = at.micro_batch,
      .sequence_length = space.training().sequence_length,
      .placement = space.training().framework.layer_placement()};
  const bool is_interleaved =
      space.schedule.value_or(at.vpp > 1 ? workloads::ScheduleKind::kInterleaved
                                         : workloads::ScheduleKind::kOneForwardOneBackward) ==
      workloads::ScheduleKind::kInterleaved;
  return workloads::CheckLayout(space.training().model, request).has_value() &&
         is_interleaved == (at.vpp > 1);
}

TEST(LegalityProperty, LegalPointsAreThoseOfCheckLayoutInCanonicalOrder) {
  const bool is_true = rc::check("legal points", [] {
    const Node document = RandomDocument();
    const auto space = ReadTrainingSpace(document, Shipped());
    if (!space) {
      RC_FAIL(RenderError(space.error()));
    }
    const LegalPoints found = FindLegalPoints(*space, {}).value();
    std::vector<int64_t> expected;
    int64_t index = 0;
    const auto fast = static_cast<int64_t>(space->recompute.size() * space->sharding.size());
    for (const int64_t gpus : space->gpus) {
      for (const int64_t tp : space->tp) {
        for (const int64_t pp : space->pp) {
          for (const int64_t vpp : space->vpp) {
            for (const int64_t ep : space->ep) {
              for (const int64_t micro_batch : space->micro_batch) {
                const bool is_legal = IsLegal(*space, {.gpus = gpus,
                                                       .tp = tp,
                                                       .pp = pp,
                                                       .vpp = vpp,
                                                       .ep = ep,
                                                       .micro_batch = micro_batch});
                for (int64_t i = 0; i < fast; ++i, ++index) {
                  if (is_legal) {
                    expected.push_back(index);
                  }
                }
              }
            }
          }
        }
      }
    }
    std::vector<int64_t> indices;
    for (const TrainingPoint& point : found.points) {
      indices.push_back(point.index);
    }
    RC_ASSERT(indices == expected);
    RC_ASSERT(found.considered == index);
    RC_ASSERT(found.illegal + static_cast<int64_t>(indices.size()) == index);
    int64_t told = 0;
    for (const Reason& reason : found.reasons) {
      told += reason.candidates;
    }
    RC_ASSERT(told == found.illegal);
  });
  EXPECT_TRUE(is_true);
}

TEST(PrunedProperty, AnyLegalCandidateSimulatedIsNoBetterThanThePlan) {
  const bool is_true = rc::check("INV-8", [] {
    const Node document = RandomDocument();
    const TrainingSpace space = ReadTrainingSpace(document, Shipped()).value();
    const LegalPoints legal = FindLegalPoints(space, {}).value();
    RC_PRE(!legal.points.empty());
    PlanOptions options;
    options.keep = 1;
    const Plan plan = MakePlan(document, Shipped(), options).value();
    for (int sample = 0; sample < 3; ++sample) {
      const TrainingPoint point = *rc::gen::elementOf(legal.points);
      const auto report =
          sim::ResolveScenario(DocumentOf(space, point.settings), Shipped())
              .and_then([](const sim::Scenario& scenario) { return sim::Simulate(scenario, {}); });
      if (!report) {
        RC_FAIL(RenderError(report.error()));
      }
      RC_ASSERT(!report->fits || plan.is_feasible);
      RC_ASSERT(!report->fits || report->Find("step_time")->value >= plan.floor);
    }
  });
  EXPECT_TRUE(is_true);
}

}  // namespace
}  // namespace ridgeline::planner

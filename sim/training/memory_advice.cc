#include "sim/training/memory_advice.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/units_text.h"
#include "sim/engine/static_sweep.h"
#include "sim/training/step_program.h"

namespace ridgeline::training {
namespace {

using workloads::Recompute;
using workloads::Sharding;

/// A changed job, before it is known to be legal.
struct Candidate {
  std::string setting;
  sim::Scenario scenario;
};

/// `scenario` with another layout, if that is legal; dp is what is left.
std::optional<sim::Scenario> WithLayout(const sim::Scenario& scenario, int64_t tp, int64_t pp,
                                        int64_t cp) {
  sim::Scenario changed = scenario;
  sim::TrainingScenario& training = *changed.training;
  const workloads::Layout& layout = training.layout;
  workloads::LayerPlacement placement = training.framework.layer_placement();
  placement.stage_layers = training.stage_layers;
  workloads::LayoutRequest request = {.parallelism = {},
                                      .gpus = layout.gpus(),
                                      .gpus_per_node = layout.gpus_per_node,
                                      .global_batch = training.global_batch,
                                      .micro_batch = training.micro_batch,
                                      .sequence_length = training.sequence_length,
                                      .placement = placement,
                                      .context_exchange = layout.exchange};
  request.parallelism.tp = tp;
  request.parallelism.pp = pp;
  request.parallelism.vpp = layout.vpp;
  request.parallelism.cp = cp;
  request.parallelism.ep = layout.ep;
  if (layout.etp > 0) {
    request.parallelism.etp = layout.etp;
  }
  request.parallelism.order = layout.order;
  request.parallelism.context.inner = layout.context_inner;
  if (layout.tp > 1) {
    request.parallelism.sequence_parallel = layout.sequence_parallel;
  }
  Result<workloads::Layout> checked = workloads::CheckLayout(training.model, request);
  if (!checked) {
    return std::nullopt;
  }
  training.layout = *std::move(checked);
  training.micro_batches = training.global_batch / (training.layout.dp * training.micro_batch);
  return changed;
}

std::vector<Candidate> Candidates(const sim::Scenario& scenario) {
  const sim::TrainingScenario& training = *scenario.training;
  const workloads::Layout& layout = training.layout;
  std::vector<Candidate> candidates;
  const auto with = [&](std::string setting, const auto& change) {
    candidates.push_back({std::move(setting), scenario});
    change(*candidates.back().scenario.training);
  };
  if (training.recompute == Recompute::kNone) {
    with("training.recompute=selective",
         [](sim::TrainingScenario& job) { job.recompute = Recompute::kSelective; });
  }
  if (training.recompute != Recompute::kFull) {
    with("training.recompute=full", [](sim::TrainingScenario& job) {
      job.recompute = Recompute::kFull;
      job.recompute_detail = {};
    });
  }
  if (training.micro_batch % 2 == 0) {
    with(fmt::format("training.micro_batch={}", training.micro_batch / 2),
         [](sim::TrainingScenario& job) {
           job.micro_batch /= 2;
           job.micro_batches *= 2;
         });
  }
  if (layout.dp * layout.cp > 1) {
    for (const Sharding next : {Sharding::kZero1, Sharding::kZero2, Sharding::kZero3}) {
      if (training.sharding < next) {
        with("training.sharding=" + Codec<Sharding>::Write(next),
             [next](sim::TrainingScenario& job) { job.sharding = next; });
      }
    }
  }
  const auto spread = [&](std::string setting, int64_t tp, int64_t pp, int64_t cp) {
    if (std::optional<sim::Scenario> changed = WithLayout(scenario, tp, pp, cp)) {
      candidates.push_back({std::move(setting), *std::move(changed)});
    }
  };
  spread(fmt::format("training.parallelism.tp={}", 2 * layout.tp), 2 * layout.tp, layout.pp,
         layout.cp);
  if (training.stage_layers.empty()) {
    spread(fmt::format("training.parallelism.pp={}", 2 * layout.pp), layout.tp, 2 * layout.pp,
           layout.cp);
  }
  spread(fmt::format("training.parallelism.cp={}", 2 * layout.cp), layout.tp, layout.pp,
         2 * layout.cp);
  return candidates;
}

Result<Bytes> PeakOfJob(const sim::TrainingScenario& training, const StageCosts& stages) {
  ASSIGN_OR_RETURN(const std::vector<MemoryUse> memory, CountMemory(training, stages));
  Bytes peak;
  for (const MemoryUse& use : memory) {
    peak = std::max(peak, PeakOf(use.allocated(), training));
  }
  return peak;
}

Result<MemoryChangeTried> Try(const Candidate& candidate, const compute::OperationTime& time,
                              const Stop& stop) {
  const sim::TrainingScenario& training = *candidate.scenario.training;
  MemoryChangeTried tried{.setting = candidate.setting, .peak = {}, .step = {}};
  ASSIGN_OR_RETURN(const StageCosts stages, CostStages(training, time));
  ASSIGN_OR_RETURN(tried.peak, PeakOfJob(training, stages));
  tried.fits = tried.peak <= candidate.scenario.cluster.gpu.memory.capacity;
  if (tried.fits) {
    ASSIGN_OR_RETURN(const EpilogueCosts epilogue, CostEpilogue(training, stages, time));
    RETURN_IF_ERROR(FitsClock(training, stages, epilogue));
    ASSIGN_OR_RETURN(const StepProgram step,
                     BuildStepProgram(training, stages, epilogue, Detail::kSlots, stop));
    engine::StaticSweeper sweeper;
    tried.step = engine::ToSeconds(sweeper.Makespan(step.program));
  }
  return tried;
}

std::string Advice(const std::vector<MemoryChangeTried>& tried, Bytes capacity) {
  const MemoryChangeTried* fastest = nullptr;
  const MemoryChangeTried* smallest = nullptr;
  for (const MemoryChangeTried& change : tried) {
    if (change.fits && (fastest == nullptr || change.step < fastest->step)) {
      fastest = &change;
    }
    if (smallest == nullptr || change.peak < smallest->peak) {
      smallest = &change;
    }
  }
  if (fastest != nullptr) {
    return fmt::format("try {}: {}, a step of {}", fastest->setting, Format(fastest->peak),
                       Format(fastest->step));
  }
  if (smallest != nullptr) {
    return fmt::format("no single change fits; {} comes nearest, {} too much", smallest->setting,
                       Format(smallest->peak - capacity));
  }
  return "no single change of recomputation, micro-batch, sharding or parallelism is legal: use "
         "more GPUs";
}

}  // namespace

std::vector<MemoryChangeTried> TryMemoryChanges(const sim::Scenario& scenario,
                                                const compute::OperationTime& time,
                                                const Stop& stop) {
  std::vector<MemoryChangeTried> tried;
  for (const Candidate& candidate : Candidates(scenario)) {
    // What cannot be simulated is no advice.
    if (Result<MemoryChangeTried> result = Try(candidate, time, stop)) {
      tried.push_back(*std::move(result));
    }
  }
  return tried;
}

void AddMemoryAdvice(sim::Report& report, const sim::Scenario& scenario,
                     const compute::OperationTime& time, const Stop& stop) {
  const sim::Metric* const peak = report.Find("memory.peak");
  const Bytes capacity = scenario.cluster.gpu.memory.capacity;
  if (peak == nullptr || peak->high <= capacity.base()) {
    return;
  }
  if (report.fits) {
    report.warnings.push_back(
        {.code = ErrorCode::kFailedPrecondition,
         .message =
             fmt::format("may not fit: {} to {} of {} a GPU", Format(Bytes::FromBase(peak->low)),
                         Format(Bytes::FromBase(peak->high)), Format(capacity)),
         .hint = "to be safe, recompute more, cut micro_batch or spread over more tp or pp"});
    return;
  }
  const auto largest =
      std::max_element(report.memory.begin(), report.memory.end(),
                       [](const sim::Share& a, const sim::Share& b) { return a.value < b.value; });
  report.warnings.push_back(
      {.code = ErrorCode::kFailedPrecondition,
       .message =
           fmt::format("does not fit: {} of {} a GPU, {} too much; the largest part is {}, {}",
                       Format(Bytes::FromBase(peak->value)), Format(capacity),
                       Format(Bytes::FromBase(peak->value) - capacity), largest->title,
                       Format(Bytes::FromBase(largest->value))),
       .hint = Advice(TryMemoryChanges(scenario, time, stop), capacity)});
}

}  // namespace ridgeline::training

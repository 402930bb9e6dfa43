#include "sim/training/training_report.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/grouped_number.h"
#include "base/units_text.h"
#include "sim/report_settings.h"
#include "sim/training/recompute_choice.h"

namespace ridgeline::training {
namespace {

using sim::Metric;

/// A number with its range, ordered whichever way the derivation turns it.
struct Ranged {
  double mean = 0.0;
  double a = 0.0;
  double b = 0.0;
};

Ranged Over(double numerator, const Ranged& time) {
  return {numerator / time.mean, numerator / time.a, numerator / time.b};
}

void Add(sim::Report& report, std::string name, const Ranged& value, std::string unit) {
  report.metrics.push_back(Metric{.name = std::move(name),
                                  .value = value.mean,
                                  .unit = std::move(unit),
                                  .low = std::min({value.mean, value.a, value.b}),
                                  .high = std::max({value.mean, value.a, value.b}),
                                  .evidence = Evidence::kAnalytic});
}

std::string Title(const sim::Scenario& scenario) {
  const sim::TrainingScenario& training = *scenario.training;
  const workloads::Layout& layout = training.layout;
  std::string spread = fmt::format("tp {} pp {} dp {}", layout.tp, layout.pp, layout.dp);
  if (layout.vpp > 1) {
    spread += fmt::format(" vpp {}", layout.vpp);
  }
  if (layout.cp > 1) {
    spread += fmt::format(" cp {}", layout.cp);
  }
  if (layout.ep > 1) {
    spread += fmt::format(" ep {}", layout.ep);
  }
  if (layout.folds_experts()) {
    spread += fmt::format(" etp {}", layout.etp);
  }
  if (layout.shard_groups() > 1) {
    spread += fmt::format(" shard {}", layout.shard);
  }
  return fmt::format("{}, {} x {}, {}, {} tokens x {} sequences", training.model.name,
                     Grouped(layout.gpus()), scenario.cluster.gpu.name, spread,
                     Grouped(training.sequence_length), Grouped(training.global_batch));
}

Ranged SecondsOf(const StepResults& step) {
  const auto seconds = [&](Bound bound) { return engine::ToSeconds(step[bound].makespan).base(); };
  return {seconds(Bound::kMean), seconds(Bound::kLow), seconds(Bound::kHigh)};
}

/// Mean over ranks of one cause, in seconds.
double CauseSeconds(const StepResult& result, Cause cause) {
  double sum = 0.0;
  for (const CauseTimes& times : result.by_rank) {
    sum += engine::ToSeconds(times[cause]).base();
  }
  return sum / static_cast<double>(result.by_rank.size());
}

/// Causes that a job cannot have are not listed.
bool CanHave(Cause cause, const sim::TrainingScenario& training) {
  switch (cause) {
    case Cause::kHost:
      return HasHostTime(training.framework.host);
    case Cause::kContextParallel:
      return training.layout.cp > 1;
    case Cause::kOffload:
      return training.offload.activations > 0 || training.offload.optimizer;
    case Cause::kStraggler:
      return workloads::SimulatesEveryRank(training.ranks);
    default:
      return true;
  }
}

void AddTime(sim::Report& report, const StepResults& step, const sim::TrainingScenario& training) {
  for (size_t i = 0; i < kNumCauses; ++i) {
    const auto cause = static_cast<Cause>(i);
    if (!CanHave(cause, training)) {
      continue;
    }
    const Ranged value = {CauseSeconds(step[Bound::kMean], cause),
                          CauseSeconds(step[Bound::kLow], cause),
                          CauseSeconds(step[Bound::kHigh], cause)};
    Add(report, fmt::format("time.{}", CauseName(cause)), value, "s");
    report.time.push_back(
        {std::string(CauseName(cause)), std::string(CauseTitle(cause)), value.mean});
  }
  if (step[Bound::kMean].critical_path.total() == 0) {
    return;  // every rank simulated for itself: no one program to walk back through
  }
  for (size_t i = 0; i < kNumCauses; ++i) {
    const auto cause = static_cast<Cause>(i);
    const auto seconds = [&](Bound bound) {
      return engine::ToSeconds(step[bound].critical_path[cause]).base();
    };
    if (CanHave(cause, training)) {
      Add(report, fmt::format("critical_path.{}", CauseName(cause)),
          {seconds(Bound::kMean), seconds(Bound::kLow), seconds(Bound::kHigh)}, "s");
    }
  }
}

void AddRates(sim::Report& report, const sim::Scenario& scenario, const StageCosts& stages,
              const Ranged& seconds) {
  const sim::TrainingScenario& training = *scenario.training;
  const auto gpus = static_cast<double>(training.layout.gpus());
  const double tokens =
      static_cast<double>(training.global_batch) * static_cast<double>(training.sequence_length);
  Add(report, "tokens_per_second", Over(tokens, seconds), "tokens/s");
  Add(report, "tokens_per_second_per_gpu", Over(tokens / gpus, seconds), "tokens/s");

  // Average over a replica's GPUs: what each chunk does for one micro-batch, times micro-batches,
  // over pipeline ranks.
  Flops model;
  Flops again;
  for (const ChunkCosts& chunk : stages.chunks) {
    for (const size_t layer : chunk.layers) {
      model += stages.layers[layer].model_flops;
      again += stages.layers[layer].recompute_flops;
    }
  }
  const double per_gpu =
      static_cast<double>(MicroBatchesOfChunk(training)) / static_cast<double>(training.layout.pp);
  Add(report, "model_flops_per_gpu", Over((model * per_gpu).base(), seconds), "FLOP/s");
  const auto peak = hardware::PeakOf(scenario.cluster.gpu, training.precision);
  if (peak) {
    Add(report, "mfu", Over((model * per_gpu).base() / peak->base(), seconds), "1");
    Add(report, "hfu", Over(((model + again) * per_gpu).base() / peak->base(), seconds), "1");
  }
  Add(report, "gpus", {gpus, gpus, gpus}, "1");
}

void AddMemory(sim::Report& report, const sim::Scenario& scenario,
               const std::vector<MemoryUse>& memory) {
  const auto worst = std::max_element(
      memory.begin(), memory.end(),
      [](const MemoryUse& a, const MemoryUse& b) { return a.allocated() < b.allocated(); });
  const double allocated = worst->allocated().base();
  const auto fullest_rank = static_cast<double>(worst - memory.begin());
  const workloads::Allocator& allocator = scenario.training->framework.allocator;
  const double context = allocator.context.base();
  const double reserve = 0.5 * (allocator.reserved_low + allocator.reserved_high) - 1.0;
  const double communication = CommunicationBuffers(scenario.training->layout).base();
  const Ranged peak = {PeakOf(worst->allocated(), *scenario.training).base(),
                       allocated * allocator.reserved_low + context + communication,
                       allocated * allocator.reserved_high + context + communication};
  const auto exact = [](double value) { return Ranged{value, value, value}; };
  Add(report, "memory.peak", peak, "B");
  Add(report, "memory.allocated", exact(allocated), "B");
  Add(report, "memory.fullest_rank", exact(fullest_rank), "1");
  const double capacity = scenario.cluster.gpu.memory.capacity.base();
  report.fits = peak.mean <= capacity;
  Add(report, "memory.capacity", exact(capacity), "B");
  Add(report, "memory.fits", exact(report.fits ? 1.0 : 0.0), "1");
  const auto part = [&](std::string name, std::string title, const Ranged& value) {
    Add(report, "memory." + name, value, "B");
    report.memory.push_back({std::move(name), std::move(title), value.mean});
  };
  part("weights", "weights", exact(worst->weights.base()));
  part("gradients", "gradients", exact(worst->gradients.base()));
  part("optimizer", "optimizer states", exact(worst->optimizer.base()));
  part("activations", "activations", exact(worst->activations.base()));
  part("workspace", "matrix libraries' workspace", exact(worst->workspace.base()));
  part("reserve", "allocator reserve",
       {allocated * reserve, allocated * (allocator.reserved_low - 1.0),
        allocated * (allocator.reserved_high - 1.0)});
  part("communication", "buffers of communicators", exact(communication));
  part("context", "CUDA context", exact(context));
}

/// Matrices in one data type; vector FLOPs only where gradients are added by a kernel of their own.
hardware::RunProfile ProfileOf(const sim::TrainingScenario& training) {
  hardware::RunProfile run{.dtypes = {training.precision}, .gpus = training.layout.gpus()};
  const DType compute = workloads::ActivationDtype(training.precision);
  if (compute != training.precision) {
    run.dtypes.push_back(compute);
  }
  if (!training.framework.fusion.gradient_accumulation && training.precision != DType::kFp32) {
    run.dtypes.push_back(DType::kFp32);
  }
  run.has_fused_attention = training.framework.attention != workloads::AttentionChoice::kNaive &&
                            (compute == DType::kBf16 || compute == DType::kFp16);
  return run;
}

void AddAssumptions(sim::Report& report, const sim::Scenario& scenario,
                    const compute::OperationTime& time) {
  for (const hardware::RateInUse& rate : time.RatesFor(ProfileOf(*scenario.training))) {
    report.assumptions.push_back({rate.what, rate.value, rate.source});
  }
  if (const double pace = PaceOf(*scenario.training); pace > 1) {
    report.assumptions.push_back(
        {fmt::format("products on the slowest of {} GPUs, over the mean one",
                     Grouped(scenario.training->layout.gpus())),
         fmt::format("{:.3f}", pace), "arXiv:2208.11035: 8 % between GPUs of a model at one work"});
  }
  report.assumptions.push_back({"MFU counts", "causal attention, output head, no recomputation",
                                "NVIDIA/Megatron-LM megatron/training/training.py"});
  const workloads::Allocator& allocator = scenario.training->framework.allocator;
  const auto own = scenario.training->framework.sources.find("allocator");
  const bool has_own = own != scenario.training->framework.sources.end();
  report.assumptions.push_back(
      {"CUDA context", Format(allocator.context),
       "bigscience-workshop/bigscience train/tr11-176B-ml/chronicles-prequel.md"});
  report.assumptions.push_back(
      {"allocator reserve",
       fmt::format("{} to {} times allocated", allocator.reserved_low, allocator.reserved_high),
       has_own ? own->second : "MooreThreads/SimuMax docs/b200"});
  for (const sim::FilledDefault& filled : scenario.defaults) {
    report.assumptions.push_back({filled.path, filled.value, "default"});
  }
  if (scenario.training->framework.overlap.tensor_parallel && scenario.training->layout.tp > 1 &&
      !scenario.training->layout.sequence_parallel) {
    report.warnings.push_back(
        {.code = ErrorCode::kFailedPrecondition,
         .message = "tensor-parallel collectives run behind their matrix multiplications only "
                    "with sequence parallelism; here they are all exposed",
         .hint = "try training.parallelism.sequence_parallel=true"});
  }
}

}  // namespace

sim::Report WriteReport(const sim::Scenario& scenario, const compute::OperationTime& time,
                        const StageCosts& stages, const std::vector<MemoryUse>& memory,
                        const StepResults& step) {
  sim::Report report;
  report.title = Title(scenario);
  report.settings = sim::FlattenSettings(scenario.resolved);
  const Ranged seconds = SecondsOf(step);
  Add(report, "step_time", seconds, "s");
  AddRates(report, scenario, stages, seconds);
  AddMemory(report, scenario, memory);
  AddTime(report, step, *scenario.training);
  AddAssumptions(report, scenario, time);
  if (scenario.training->recompute == workloads::Recompute::kOptimal) {
    report.assumptions.push_back({"recomputation chosen",
                                  DescribeChoice(*scenario.training, stages),
                                  "least time that fits: sim/training/recompute_choice.h"});
  }
  return report;
}

}  // namespace ridgeline::training

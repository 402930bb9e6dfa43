#include "sim/training/run_report.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/grouped_number.h"
#include "base/units_text.h"
#include "sim/training/job_failures.h"
#include "sim/training/step_power.h"
#include "sim/training/update_traffic.h"

namespace ridgeline::training {
namespace {

/// Values at the mean and at both ends of the step's range; ends may turn round.
using AtBounds = std::array<double, 3>;

void Add(sim::Report& report, std::string name, const AtBounds& value, std::string unit,
         Evidence evidence = Evidence::kAnalytic) {
  const auto [low, high] = std::minmax_element(value.begin(), value.end());
  report.metrics.push_back(sim::Metric{.name = "run." + std::move(name),
                                       .value = value[0],
                                       .unit = std::move(unit),
                                       .low = *low,
                                       .high = *high,
                                       .evidence = evidence});
}
void Add(sim::Report& report, std::string name, double value, std::string unit) {
  Add(report, std::move(name), AtBounds{value, value, value}, std::move(unit));
}

constexpr double kJoulesPerKilowattHour = 3.6e6;

/// Of the whole model: weights that train, in the type that computes, and their states. Stages may
/// hold a table or, under some schedules, everything twice: the bytes of a parameter are averaged
/// over what they hold, and parameters counted once.
Bytes CheckpointSize(const sim::TrainingScenario& training, const StageCosts& stages) {
  double trained = 0.0;
  double frozen = 0.0;
  Bytes states;
  for (const ChunkCosts& chunk : stages.chunks) {
    for (const size_t index : chunk.layers) {
      const CostedLayer& layer = stages.layers[index];
      trained += layer.parameters.total();
      frozen += layer.frozen.total();
      states += StatesOf(training, layer, {});
    }
  }
  const double whole = static_cast<double>(workloads::CountParameters(training.model).total) *
                       (frozen > 0.0 ? trained / (trained + frozen) : 1.0);
  return trained > 0.0
             ? whole * (BytesPerElement(training.framework.dtypes.parameters) + states / trained)
             : Bytes{};
}

int64_t NodesOf(const sim::Scenario& scenario) {
  const int64_t a_node = scenario.cluster.node.gpus;
  return (scenario.training->layout.gpus() + a_node - 1) / a_node;
}

/// One run at one end of the step's range.
struct Outlook {
  FailureModel failures;
  Seconds interval;
  ExpectedTimes expected;  // of one interval
};

/// The interval in whole steps: of the two beside the optimum the better.
Seconds InWholeSteps(const FailureModel& model, Seconds interval, Seconds step) {
  const double steps = interval / step;
  // As long as what is written must be, and a step.
  const double least = std::max(1.0, std::ceil((model.write_behind - model.stall) / step - 1e-9));
  const Seconds below = std::max(std::floor(steps), least) * step;
  const Seconds above = std::max(std::ceil(steps), least) * step;
  return EffectiveTimeRatio(model, below) >= EffectiveTimeRatio(model, above) ? below : above;
}

Outlook Foresee(const FailureModel& model, const std::optional<Seconds>& interval, Seconds step) {
  Outlook outlook{.failures = model, .interval = {}, .expected = {}};
  outlook.interval = interval ? std::max(*interval, model.write_behind - model.stall)
                              : InWholeSteps(model, OptimalInterval(model), step);
  outlook.expected = SplitExpectedTime(model, outlook.interval);
  return outlook;
}

void AddAssumptions(sim::Report& report, const workloads::TrainingRun& run,
                    const CheckpointCost& checkpoint, const JobFailures& failures) {
  for (const ComponentFailures& component : failures.components) {
    report.assumptions.push_back(
        {fmt::format("mean time between failures, {}", component.name), Format(component.of_one),
         component.is_default ? std::string(kFailuresSource) : "training.run.failures"});
  }
  report.assumptions.push_back(
      {"restart after a failure", Format(run.checkpoint.restart.value_or(kRestart)),
       run.checkpoint.restart ? "training.run.checkpoint.restart" : "arXiv:2402.15627, section 6"});
  report.assumptions.push_back(
      {"checkpoint", "weights and optimizer states, once",
       fmt::format("written by {} GPUs", Grouped(std::llround(checkpoint.writers)))});
  report.assumptions.push_back(
      {"power",
       "by cause: limit in matrix multiplication and attention, 0.79 of it in "
       "memory-bound kernels, 0.32 in collectives, 0.17 waiting",
       "configs/calibration/points, H100 and H200 by NVML; hosts: arXiv:2412.08602"});
}

}  // namespace

Result<CheckpointCost> CostCheckpoint(const sim::Scenario& scenario, const StageCosts& stages) {
  const sim::TrainingScenario& training = *scenario.training;
  const hardware::Node& node = scenario.cluster.node;
  const hardware::Gpu& gpu = scenario.cluster.gpu;
  const workloads::Checkpointing& checkpoint = training.run->checkpoint;
  const auto nodes = static_cast<double>(NodesOf(scenario));
  CheckpointCost cost;
  cost.size = CheckpointSize(training, stages);
  std::optional<BytesPerSecond> write = checkpoint.bandwidth;
  std::optional<BytesPerSecond> read = checkpoint.bandwidth;
  if (!write && node.shared_storage) {
    write = node.shared_storage->write * nodes;
    read = node.shared_storage->read * nodes;
  }
  if (!write) {
    return InvalidArgument(
        fmt::format("no storage to write checkpoints to: {} has no shared_storage", node.name),
        "set training.run.checkpoint.bandwidth");
  }
  cost.write = cost.size / *write;
  cost.read = cost.size / *read;
  const workloads::Layout& layout = training.layout;
  const bool shares_states = training.sharding != workloads::Sharding::kNone &&
                             training.sharding != workloads::Sharding::kDdp;
  cost.writers = static_cast<double>(shares_states ? layout.gpus() : layout.tp * layout.pp);
  BytesPerSecond link = gpu.host_link_sustained ? gpu.host_link_sustained->rate : gpu.host_link;
  if (node.host_memory_bandwidth > BytesPerSecond{}) {
    link = std::min(link, node.host_memory_bandwidth / static_cast<double>(node.gpus));
  }
  cost.copy = cost.size / cost.writers / link;
  return cost;
}

Status AddRun(sim::Report& report, const sim::Scenario& scenario, const StageCosts& stages,
              const StepResults& step) {
  const sim::TrainingScenario& training = *scenario.training;
  if (!training.run) {
    return {};
  }
  const workloads::TrainingRun& run = *training.run;
  ASSIGN_OR_RETURN(const CheckpointCost checkpoint, CostCheckpoint(scenario, stages));
  const auto gpus = static_cast<double>(training.layout.gpus());
  const JobFailures failures = FailuresOf(run.failures, training.layout.gpus(), NodesOf(scenario));
  const bool is_asynchronous = run.checkpoint.asynchronous;
  const FailureModel model = {
      .mean_between = failures.mean_between(),
      .recovery = run.checkpoint.restart.value_or(kRestart) + checkpoint.read,
      .stall = is_asynchronous ? checkpoint.copy : checkpoint.copy + checkpoint.write,
      .write_behind = is_asynchronous ? checkpoint.write : Seconds{}};
  const double tokens_a_step =
      static_cast<double>(training.global_batch) * static_cast<double>(training.sequence_length);

  // By bound of the step: mean, low, high.
  std::array<Seconds, 3> step_time;
  std::array<Outlook, 3> outlooks;
  for (const Bound bound : kBounds) {
    const auto i = static_cast<size_t>(bound);
    step_time[i] = engine::ToSeconds(step[bound].makespan);
    outlooks[i] = Foresee(model, run.checkpoint.interval, step_time[i]);
  }
  const auto at_bounds = [&](const auto& of) { return AtBounds{of(0), of(1), of(2)}; };
  const Outlook& mean = outlooks[0];
  const bool is_hopeless = !std::isfinite(ExpectedTime(model, mean.interval).base());
  Add(report, "mtbf", model.mean_between.base(), "s");
  for (const ComponentFailures& component : failures.components) {
    Add(report, fmt::format("mtbf.{}", component.name), component.of_job.base(), "s");
  }
  Add(report, "checkpoint.size", checkpoint.size.base(), "B");
  Add(report, "checkpoint.write", checkpoint.write.base(), "s");
  Add(report, "checkpoint.stall", model.stall.base(), "s");
  Add(report, "checkpoint.interval",
      at_bounds([&](size_t i) { return outlooks[i].interval.base(); }), "s");
  Add(report, "checkpoint.interval.young", YoungInterval(model).base(), "s");
  Add(report, "checkpoint.interval.daly", DalyInterval(model).base(), "s");
  if (is_hopeless) {
    report.warnings.push_back(
        {.code = ErrorCode::kFailedPrecondition,
         .message = fmt::format("the run never ends: a failure every {}, and {} from checkpoint to "
                                "checkpoint",
                                Format(model.mean_between), Format(mean.interval + model.stall)),
         .hint = "save more often, on faster storage, or check training.run.failures"});
    return {};
  }
  // Steps that count over all time but start-up: Llama 3's "effective training time".
  Add(report, "goodput",
      at_bounds([&](size_t i) { return EffectiveTimeRatio(model, outlooks[i].interval); }), "1");

  const PowerRange gpu_power = GpuPowerOf(scenario.cluster.gpu, step[Bound::kMean].by_rank);
  const PowerRange host_power = HostPowerPerGpu(scenario.cluster.node, scenario.cluster.gpu);
  const double facility = gpus * run.power_usage_effectiveness;
  const PowerRange working = (gpu_power + host_power) * facility;
  const PowerRange waiting = (WaitingGpuPower(scenario.cluster.gpu) + host_power) * facility;
  const auto of_power = [](const PowerRange& power) {
    return AtBounds{power.mean.base(), power.low.base(), power.high.base()};
  };
  Add(report, "power.gpu", of_power(gpu_power), "W", Evidence::kExtrapolated);
  Add(report, "power", of_power(working), "W", Evidence::kExtrapolated);
  const AtBounds power = of_power(working);
  const AtBounds idle = of_power(waiting);
  Add(report, "step_energy", at_bounds([&](size_t i) { return power[i] * step_time[i].base(); }),
      "J", Evidence::kExtrapolated);
  AddAssumptions(report, run, checkpoint, failures);
  if (!run.tokens) {
    return {};
  }

  const double steps = std::ceil(static_cast<double>(*run.tokens) / tokens_a_step);
  const Seconds warm_up = run.warm_up.value_or(Seconds{});
  // Of a run shorter than an interval there is one, which ends with it.
  const auto intervals = [&](size_t i) { return steps * step_time[i] / outlooks[i].interval; };
  const auto part = [&](size_t i, Seconds of_interval) {
    return (intervals(i) * of_interval).base();
  };
  const auto whole = [&](size_t i) {
    return part(i, ExpectedTime(model, outlooks[i].interval)) + warm_up.base();
  };
  Add(report, "steps", steps, "1");
  Add(report, "time", at_bounds(whole), "s");
  const auto add_part = [&](const char* name, Seconds ExpectedTimes::* member) {
    Add(report, fmt::format("time.{}", name),
        at_bounds([&](size_t i) { return part(i, outlooks[i].expected.*member); }), "s");
  };
  add_part("steps", &ExpectedTimes::steps);
  add_part("checkpoints", &ExpectedTimes::stalls);
  add_part("restarts", &ExpectedTimes::restarts);
  add_part("rework", &ExpectedTimes::rework);
  Add(report, "time.warm_up", warm_up.base(), "s");
  Add(report, "failures",
      at_bounds([&](size_t i) { return intervals(i) * outlooks[i].expected.failures; }),
      "failures");
  const auto gpu_hours = [&](size_t i) { return whole(i) * gpus / 3600.0; };
  Add(report, "gpu_hours", at_bounds(gpu_hours), "GPU h");
  // Machines that restart and start up wait.
  const auto energy = [&](size_t i) {
    const double restarts = part(i, outlooks[i].expected.restarts) + warm_up.base();
    return (whole(i) - restarts) * power[i] + restarts * idle[i];
  };
  Add(report, "energy", at_bounds(energy), "J", Evidence::kExtrapolated);
  const auto cost = [&](size_t i) {
    return gpu_hours(i) * run.usd_per_gpu_hour.value_or(0.0) +
           energy(i) / kJoulesPerKilowattHour * run.usd_per_kwh.value_or(0.0);
  };
  if (run.usd_per_gpu_hour || run.usd_per_kwh) {
    Add(report, "cost", at_bounds(cost), "USD");
    const double millions = static_cast<double>(*run.tokens) * 1e-6;
    Add(report, "cost_per_million_tokens", at_bounds([&](size_t i) { return cost(i) / millions; }),
        "USD");
  }
  return {};
}

}  // namespace ridgeline::training

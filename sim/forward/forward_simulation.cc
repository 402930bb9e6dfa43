#include "sim/forward/forward_simulation.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/units_text.h"
#include "sim/compute/duration.h"
#include "sim/compute/operation_time.h"
#include "sim/compute/run_load.h"
#include "sim/inference_settings.h"
#include "sim/reliance.h"
#include "sim/report_settings.h"
#include "sim/trace/chrome_trace.h"
#include "sim/training/cause.h"
#include "sim/training/host_cost.h"
#include "sim/training/training_memory.h"

namespace ridgeline::forward {
namespace {

using compute::Bound;
using compute::Duration;
using compute::kBounds;
using engine::Picoseconds;
using training::Cause;
using training::CostedChain;
using workloads::InferenceSettings;
using workloads::RepeatedStep;

/// What a pass can be spent on; the rest of training's causes cannot occur.
constexpr std::array<Cause, 4> kCauses = {Cause::kMatmul, Cause::kAttention, Cause::kElementwise,
                                          Cause::kTensorParallel};

/// One kind of step with its time over all its repetitions.
struct TimedStep {
  RepeatedStep step;
  Cause cause = Cause::kElementwise;
  Duration time;
  CostedChain once;  // of one repetition, with its host
};

/// The pass in order, layers of a kind folded into one: attention follows the writing of its cache.
Result<std::vector<RepeatedStep>> LowerPass(const InferenceSettings& settings,
                                            const sim::ForwardScenario& forward) {
  const bool is_prefill = forward.phase == AttentionPhase::kPrefill;
  const int64_t each = is_prefill ? forward.context : 1;
  const int64_t reached = is_prefill ? forward.context : forward.context + 1;
  ASSIGN_OR_RETURN(std::vector<RepeatedStep> tokens,
                   workloads::LowerTokens(settings, forward.batch * each, forward.batch));
  ASSIGN_OR_RETURN(
      std::vector<RepeatedStep> attention,
      workloads::LowerAttention(settings, forward.phase, forward.batch, each, reached));
  std::vector<RepeatedStep> pass;
  size_t next = 0;
  for (RepeatedStep& step : tokens) {
    const bool writes_cache = step.name == "kv cache write";
    pass.push_back(std::move(step));
    if (writes_cache) {
      pass.push_back(std::move(attention.at(next++)));
    }
  }
  return pass;
}

Cause CauseOf(const RepeatedStep& step) {
  const auto* operation = std::get_if<Operation>(&step.work);
  if (operation == nullptr) {
    return Cause::kTensorParallel;
  }
  if (std::holds_alternative<Attention>(*operation)) {
    return Cause::kAttention;
  }
  return std::holds_alternative<MemoryBound>(*operation) ? Cause::kElementwise : Cause::kMatmul;
}

/// Of the pass, whose clocks follow what it does at the mean.
Result<compute::RunLoad> LoadOf(const std::vector<RepeatedStep>& pass,
                                const compute::OperationTime& time) {
  compute::RunLoad load(time.gpu());
  for (const RepeatedStep& step : pass) {
    if (const auto* operation = std::get_if<Operation>(&step.work)) {
      ASSIGN_OR_RETURN(const Cost burst, time.BurstCostOf(*operation));
      load.Add(*operation, burst, static_cast<double>(step.count));
    }
  }
  return load;
}

Result<std::vector<TimedStep>> TimePass(std::vector<RepeatedStep> pass, int64_t tp,
                                        const workloads::HostWork& host,
                                        const compute::OperationTime& time,
                                        sim::Reliance& reliance) {
  std::vector<TimedStep> timed;
  for (RepeatedStep& step : pass) {
    Cost cost;
    if (const auto* operation = std::get_if<Operation>(&step.work)) {
      ASSIGN_OR_RETURN(cost, time.CostOf(*operation));
      reliance.Add(*operation, cost, static_cast<double>(step.count));
    } else {
      const auto& wanted = std::get<workloads::AxisCollective>(step.work);
      const Collective collective{.kind = wanted.kind,
                                  .bytes = wanted.bytes,
                                  .group = {.ranks = tp, .ranks_per_node = tp},
                                  .dtype = wanted.dtype};
      ASSIGN_OR_RETURN(cost, time.CostOf(collective));
      reliance.Add(collective, cost, static_cast<double>(step.count));
    }
    // One repetition becomes whole picoseconds; the sum of equal ones is exact.
    Duration total = Duration::Of(cost);
    const CostedChain once =
        CostedChain::Of(training::HostDuration(training::HostTimeOf(host, step.work)), total);
    for (const Bound bound : kBounds) {
      if (__builtin_mul_overflow(total[bound], step.count, &total[bound])) {
        return Fail({.code = ErrorCode::kOutOfRange,
                     .message = "a pass longer than the clock of 106 days: " + step.name,
                     .hint = "look for a rate that is far too small"});
      }
    }
    const Cause cause = CauseOf(step);
    timed.push_back({.step = std::move(step), .cause = cause, .time = total, .once = once});
  }
  return timed;
}

bool IsAttention(const RepeatedStep& step) {
  const auto* operation = std::get_if<Operation>(&step.work);
  return operation != nullptr && std::holds_alternative<Attention>(*operation);
}

/// The pass as a chain of host and GPU. Neighbours of one count are the layers that are repeated so
/// often, each known by its attention; kinds that alternate in the model come one after the other.
CostedChain ChainOf(const std::vector<TimedStep>& pass, const workloads::HostTime& host) {
  // Calls before the first operation, and the launch's latency, which delays all alike.
  Duration start = training::HostDuration(host.step, host.step_spread);
  start += training::HostDuration(host.launch_latency);
  CostedChain chain = CostedChain::Of(start, Duration{});
  for (size_t begin = 0, end = 0; begin < pass.size(); begin = end) {
    CostedChain layers;
    CostedChain steps;
    for (; end < pass.size() && pass[end].step.count == pass[begin].step.count; ++end) {
      if (IsAttention(pass[end].step)) {
        layers.Append(CostedChain::Of(training::HostDuration(host.layer_forward), Duration{}));
      }
      steps.Append(pass[end].once);
    }
    layers.Append(steps);
    chain.Append(layers.Repeated(pass[begin].step.count));
  }
  return chain;
}

/// What must be computed and read: for the rates that are quoted against the peaks.
struct Work {
  Flops flops;  // of matrices and attention
  Bytes read;   // weights, and keys and values
};

Work WorkOf(const std::vector<TimedStep>& pass) {
  Work work;
  for (const TimedStep& timed : pass) {
    const auto* operation = std::get_if<Operation>(&timed.step.work);
    if (operation == nullptr || std::holds_alternative<MemoryBound>(*operation)) {
      continue;
    }
    const auto count = static_cast<double>(timed.step.count);
    work.flops += count * FlopsOf(*operation);
    if (const auto* gemm = std::get_if<Gemm>(operation)) {
      work.read += count * static_cast<double>(gemm->k) * static_cast<double>(gemm->n) *
                   BytesPerElement(gemm->dtype);
    } else if (const auto* grouped = std::get_if<GroupedGemm>(operation)) {
      work.read += count * static_cast<double>(grouped->groups) * static_cast<double>(grouped->k) *
                   static_cast<double>(grouped->n) * BytesPerElement(grouped->dtype);
    } else {
      // Without keys only queries and outputs are left.
      Attention none = std::get<Attention>(*operation);
      none.kv_len = 0;
      work.read += count * (BytesOf(*operation) - BytesOf(none));
    }
  }
  return work;
}

struct Ranged {
  double mean = 0.0;
  double a = 0.0;
  double b = 0.0;
};

Ranged Exact(double value) { return {value, value, value}; }
Ranged Over(double numerator, const Ranged& time) {
  return {numerator / time.mean, numerator / time.a, numerator / time.b};
}

void Add(sim::Report& report, std::string name, const Ranged& value, std::string unit) {
  report.metrics.push_back({.name = std::move(name),
                            .value = value.mean,
                            .unit = std::move(unit),
                            .low = std::min({value.mean, value.a, value.b}),
                            .high = std::max({value.mean, value.a, value.b}),
                            .evidence = Evidence::kAnalytic});
}

Ranged SecondsOf(const Duration& span) {
  const auto seconds = [&](Bound bound) { return engine::ToSeconds(span[bound]).base(); };
  return {seconds(Bound::kMean), seconds(Bound::kLow), seconds(Bound::kHigh)};
}

/// `host`: what the GPU waits for it; null when it has no time.
void AddTime(sim::Report& report, const std::vector<TimedStep>& pass, const Duration* host) {
  const auto add = [&](Cause cause, const Duration& sum) {
    const Ranged value = SecondsOf(sum);
    Add(report, fmt::format("time.{}", training::CauseName(cause)), value, "s");
    report.time.push_back({std::string(training::CauseName(cause)),
                           std::string(training::CauseTitle(cause)), value.mean});
  };
  for (const Cause cause : kCauses) {
    Duration sum;
    for (const TimedStep& timed : pass) {
      sum += timed.cause == cause ? timed.time : Duration{};
    }
    add(cause, sum);
  }
  if (host != nullptr) {
    add(Cause::kHost, *host);
  }
}

/// KV cache of the batch: windowed layers hold at most their window.
Bytes CacheBytes(const InferenceSettings& settings, const sim::ForwardScenario& forward) {
  const int64_t reached =
      forward.context + (forward.phase == AttentionPhase::kDecode ? int64_t{1} : int64_t{0});
  double elements = 0.0;
  for (int64_t i = 0; i < forward.model.num_layers(); ++i) {
    const workloads::Mixer& mixer = forward.model.layer(i).mixer;
    if (mixer.kind == workloads::MixerKind::kAttention) {
      const int64_t held = mixer.window > 0 ? std::min(mixer.window, reached) : reached;
      elements += static_cast<double>(held) *
                  static_cast<double>(workloads::KvHeadsOnRank(mixer, forward.tp)) *
                  static_cast<double>(mixer.head_dim + workloads::ValueHeadDim(mixer));
    }
  }
  return static_cast<double>(forward.batch) * elements * BytesPerElement(settings.kv_cache);
}

void AddMemory(sim::Report& report, const sim::Scenario& scenario,
               const InferenceSettings& settings) {
  const sim::ForwardScenario& forward = *scenario.forward;
  const int64_t tokens =
      forward.batch * (forward.phase == AttentionPhase::kPrefill ? forward.context : 1);
  // Logits in the type of computation, and again in fp32.
  const Bytes logits = static_cast<double>(forward.batch) *
                       static_cast<double>(forward.model.vocabulary) *
                       (BytesPerElement(forward.precision) + BytesPerElement(DType::kFp32));
  const Bytes weights = workloads::WeightBytesOnRank(settings);
  const Bytes cache = CacheBytes(settings, forward);
  const Bytes activations = std::max(workloads::LayerActivationBytes(settings, tokens), logits);
  const Bytes context = forward.framework.allocator.context;
  const Bytes peak = weights + cache + activations + context;
  const Bytes capacity = scenario.cluster.gpu.memory.capacity;
  report.fits = !(capacity < peak);
  Add(report, "memory.peak", Exact(peak.base()), "B");
  Add(report, "memory.allocated",
      Exact((weights + cache + activations + forward.framework.allocator.workspace).base()), "B");
  Add(report, "memory.capacity", Exact(capacity.base()), "B");
  Add(report, "memory.fits", Exact(report.fits ? 1.0 : 0.0), "1");
  const auto part = [&](std::string name, std::string title, Bytes value) {
    Add(report, "memory." + name, Exact(value.base()), "B");
    report.memory.push_back({std::move(name), std::move(title), value.base()});
  };
  part("weights", "weights", weights);
  part("kv_cache", "KV cache", cache);
  part("activations", "activations", activations);
  part("context", "CUDA context", context);
  if (!report.fits) {
    report.warnings.push_back(
        {.code = ErrorCode::kFailedPrecondition,
         .message = fmt::format("does not fit: {} of {} a GPU, {} too much", Format(peak),
                                Format(capacity), Format(peak - capacity)),
         .hint = cache < weights ? "try a larger forward.parallelism.tp"
                                 : "try a smaller forward.batch or a larger "
                                   "forward.parallelism.tp"});
  }
}

void AddAssumptions(sim::Report& report, const sim::Scenario& scenario,
                    const compute::OperationTime& time) {
  const sim::ForwardScenario& forward = *scenario.forward;
  const hardware::RunProfile run{
      .dtypes = {forward.precision}, .has_fused_attention = true, .gpus = forward.tp};
  for (const hardware::RateInUse& rate : time.RatesFor(run)) {
    report.assumptions.push_back({rate.what, rate.value, rate.source});
  }
  if (!training::HasHostTime(forward.framework.host)) {
    report.assumptions.push_back({"host time", "hidden: the pass is one replayed CUDA graph",
                                  "pytorch/pytorch torch/cuda/graphs.py"});
  }
  const bool is_mixture =
      std::any_of(forward.model.layers.begin(), forward.model.layers.end(), [&](int kind) {
        return forward.model.kinds[static_cast<size_t>(kind)].feed_forward.kind ==
               workloads::FeedForwardKind::kMixture;
      });
  if (is_mixture) {
    report.assumptions.push_back({"experts touched", "E (1 - (1 - k/E)^tokens)",
                                  "expectation of even, independent routing"});
  }
  report.assumptions.push_back({"MFU counts", "matrices and causal attention that a rank computes",
                                "arXiv:2204.02311, appendix B"});
  report.assumptions.push_back({"MBU counts", "weights, and keys and values, read once",
                                "Databricks, LLM Inference Performance Engineering, 2023"});
  for (const sim::FilledDefault& filled : scenario.defaults) {
    report.assumptions.push_back({filled.path, filled.value, "default"});
  }
}

/// What the GPU waits for its host inside the pass is drawn before it, where the chain has it.
Status WriteTrace(const std::vector<TimedStep>& pass, const CostedChain& chain, bool has_host,
                  std::ostream& out) {
  trace::ChromeTrace trace(out);
  trace.Process(1, "forward pass, each rank", 0);
  trace.Thread(1, 1, "GPU", 0);
  if (has_host) {
    trace.Thread(1, 2, "host", 1);
    trace.Slice(1, 2, "issue", training::CauseName(Cause::kHost), 0, chain.host[Bound::kMean]);
  }
  Picoseconds at = chain.lead[Bound::kMean];
  for (const TimedStep& timed : pass) {
    const Picoseconds span = timed.time[Bound::kMean];
    const std::array<trace::Argument, 1> arguments = {{{"layers", timed.step.count}}};
    trace.Slice(1, 1, timed.step.name, training::CauseName(timed.cause), at, span, arguments);
    at += span;
  }
  if (!trace.Finish()) {
    return Fail({.code = ErrorCode::kUnavailable,
                 .message = "cannot write the trace",
                 .hint = "see whether the disk is full"});
  }
  return {};
}

}  // namespace

Result<sim::Report> SimulateForward(const sim::Scenario& scenario, const sim::RunOptions& options) {
  const sim::ForwardScenario& forward = *scenario.forward;
  const InferenceSettings settings = sim::SettingsOf(forward, scenario.cluster);
  const compute::OperationTime time = compute::OperationTime::Of(scenario.cluster, options.stop);
  ASSIGN_OR_RETURN(std::vector<RepeatedStep> lowered, LowerPass(settings, forward));
  sim::Reliance reliance;
  ASSIGN_OR_RETURN(const compute::RunLoad load, LoadOf(lowered, time));
  ASSIGN_OR_RETURN(const std::vector<TimedStep> pass,
                   TimePass(std::move(lowered), forward.tp, forward.framework.host.inference,
                            time.In(load), reliance));
  RETURN_IF_ERROR(reliance.CheckMeasured(scenario.cluster));
  const CostedChain chain = ChainOf(pass, forward.framework.host);
  const bool has_host = training::HasHostTime(forward.framework.host);
  Duration total = chain.lead;
  total += chain.total;
  if (total[Bound::kHigh] == std::numeric_limits<Picoseconds>::max()) {
    return Fail({.code = ErrorCode::kOutOfRange,
                 .message = "a pass longer than the clock of 106 days",
                 .hint = "look for a rate that is far too small"});
  }
  if (options.trace != nullptr) {
    RETURN_IF_ERROR(WriteTrace(pass, chain, has_host, *options.trace));
  }

  sim::Report report;
  report.kind = sim::ReportKind::kForward;
  const bool is_prefill = forward.phase == AttentionPhase::kPrefill;
  report.title = fmt::format("{}, {} x {}, tp {}, {} of {} sequences at {} tokens",
                             forward.model.name, forward.tp, scenario.cluster.gpu.name, forward.tp,
                             is_prefill ? "prefill" : "decode", forward.batch, forward.context);
  report.settings = sim::FlattenSettings(scenario.resolved);
  const Ranged seconds = SecondsOf(total);
  Add(report, "pass_time", seconds, "s");
  const double tokens = static_cast<double>(forward.batch) *
                        static_cast<double>(is_prefill ? forward.context : int64_t{1});
  Add(report, "tokens_per_second", Over(tokens, seconds), "tokens/s");
  Add(report, "tokens_per_second_per_gpu", Over(tokens / static_cast<double>(forward.tp), seconds),
      "tokens/s");
  const Work work = WorkOf(pass);
  Add(report, "model_flops_per_gpu", Over(work.flops.base(), seconds), "FLOP/s");
  if (const auto peak = hardware::PeakOf(scenario.cluster.gpu, forward.precision)) {
    Add(report, "mfu", Over(work.flops.base() / peak->base(), seconds), "1");
  }
  Add(report, "mbu", Over((work.read / scenario.cluster.gpu.memory.bandwidth).base(), seconds),
      "1");
  AddMemory(report, scenario, settings);
  AddTime(report, pass, has_host ? &chain.lead : nullptr);
  AddAssumptions(report, scenario, time);
  reliance.WriteInto(report, time);
  return report;
}

}  // namespace ridgeline::forward

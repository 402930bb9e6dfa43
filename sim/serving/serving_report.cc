#include "sim/serving/serving_report.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/grouped_number.h"
#include "base/units_text.h"
#include "sim/report_settings.h"
#include "sim/serving/memory_remedy.h"

namespace ridgeline::serving {
namespace {

void Add(sim::Report& report, std::string name, double value, double low, double high,
         std::string unit) {
  report.metrics.push_back({.name = std::move(name),
                            .value = value,
                            .unit = std::move(unit),
                            .low = std::min({value, low, high}),
                            .high = std::max({value, low, high}),
                            .evidence = Evidence::kAnalytic});
}

void AddExact(sim::Report& report, std::string name, double value, std::string unit) {
  Add(report, std::move(name), value, value, value, std::move(unit));
}

std::string Title(const sim::Scenario& scenario) {
  const sim::ServingScenario& serving = *scenario.serving;
  return fmt::format("{}, {} x tp {} on {}, {} {}, {}", serving.model.name, serving.replicas,
                     serving.tp, scenario.cluster.gpu.name, serving.engine.name,
                     serving.engine.version, serving.load->description);
}

/// Reads one figure of each of the three runs.
template <class Read>
void AddRead(sim::Report& report, const MetricsByBound& metrics, std::string name, std::string unit,
             const Read& read) {
  Add(report, std::move(name), read(metrics[0]), read(metrics[1]), read(metrics[2]),
      std::move(unit));
}

void AddDistribution(sim::Report& report, const MetricsByBound& metrics, const std::string& name,
                     std::optional<Distribution> ServingMetrics::* member) {
  for (const ServingMetrics& run : metrics) {
    if (!(run.*member)) {
      return;
    }
  }
  const auto add = [&](std::string_view part, double Distribution::* field) {
    AddRead(report, metrics, fmt::format("{}.{}", name, part), "s",
            [&](const ServingMetrics& run) { return (*(run.*member)).*field; });
  };
  add("mean", &Distribution::mean);
  add("p50", &Distribution::p50);
  add("p90", &Distribution::p90);
  add("p99", &Distribution::p99);
}

void AddServed(sim::Report& report, const MetricsByBound& metrics) {
  const auto add = [&](std::string name, std::string unit, double ServingMetrics::* field) {
    AddRead(report, metrics, std::move(name), std::move(unit),
            [&](const ServingMetrics& run) { return run.*field; });
  };
  const auto count = [&](std::string name, int64_t ServingMetrics::* field) {
    AddRead(report, metrics, std::move(name), "1",
            [&](const ServingMetrics& run) { return static_cast<double>(run.*field); });
  };
  if (metrics[0].done > 0) {
    add("request_throughput", "req/s", &ServingMetrics::request_throughput);
    add("output_throughput", "tokens/s", &ServingMetrics::output_throughput);
    add("total_token_throughput", "tokens/s", &ServingMetrics::total_token_throughput);
  }
  AddDistribution(report, metrics, "ttft", &ServingMetrics::ttft);
  AddDistribution(report, metrics, "tpot", &ServingMetrics::tpot);
  AddDistribution(report, metrics, "itl", &ServingMetrics::itl);
  AddDistribution(report, metrics, "e2el", &ServingMetrics::e2el);
  count("requests.completed", &ServingMetrics::done);
  count("requests.running", &ServingMetrics::running);
  count("requests.queued", &ServingMetrics::queued);
  count("requests.rejected", &ServingMetrics::rejected);
  count("preemptions", &ServingMetrics::preemptions);
  add("batch.running.mean", "1", &ServingMetrics::mean_running);
  add("prefix_cache.hit_rate", "1", &ServingMetrics::hit_rate);
  add("makespan", "s", &ServingMetrics::makespan);
  count("steps", &ServingMetrics::steps);
}

void AddTime(sim::Report& report, const MetricsByBound& metrics) {
  if (metrics[0].done == 0) {
    return;
  }
  const auto part = [&](std::string name, std::string title, double ServingMetrics::* field) {
    AddRead(report, metrics, "time." + name, "s",
            [&](const ServingMetrics& run) { return run.*field; });
    report.time.push_back({std::move(name), std::move(title), metrics[0].*field});
  };
  part("queue", "waiting in the queue", &ServingMetrics::queue);
  part("prefill", "prefill, to the first token", &ServingMetrics::prefill);
  part("decode", "decode, to the last token", &ServingMetrics::decode);
  part("preempted", "preempted, waiting again", &ServingMetrics::preempted);
}

void AddMemory(sim::Report& report, const sim::Scenario& scenario, const ServingMemory& memory) {
  const sim::ServingScenario& serving = *scenario.serving;
  const Bytes kv_cache =
      serving.kv_blocks ? memory.block * static_cast<double>(*serving.kv_blocks) : memory.kv_cache;
  const double capacity = scenario.cluster.gpu.memory.capacity.base();
  const auto part = [&](std::string name, std::string title, Bytes value) {
    AddExact(report, "memory." + name, value.base(), "B");
    report.memory.push_back({std::move(name), std::move(title), value.base()});
  };
  double peak = 0.0;
  for (const Bytes value : {memory.weights, memory.activations, kv_cache, memory.context}) {
    peak += value.base();
  }
  report.fits = peak <= capacity && (memory.fits || serving.kv_blocks.has_value());
  AddExact(report, "kv_cache.blocks", static_cast<double>(BlocksOf(serving, memory)), "1");
  AddExact(report, "memory.peak", peak, "B");
  AddExact(report, "memory.capacity", capacity, "B");
  AddExact(report, "memory.fits", report.fits ? 1.0 : 0.0, "1");
  part("weights", "weights", memory.weights);
  part("activations", "activations", memory.activations);
  part("kv_cache", "KV cache", kv_cache);
  part("context", "CUDA context and NCCL", memory.context);
  if (report.fits) {
    return;
  }
  if (serving.kv_blocks) {
    report.warnings.push_back(
        {.code = ErrorCode::kFailedPrecondition,
         .message = fmt::format("does not fit: {} of {} a GPU, {} too much with {} KV blocks",
                                Format(Bytes::FromBase(peak)), Format(Bytes::FromBase(capacity)),
                                Format(Bytes::FromBase(peak - capacity)), *serving.kv_blocks),
         .hint = "leave out serving.scheduler.kv_blocks to take what the memory has room for"});
    return;
  }
  const Bytes asked_for = Bytes::FromBase(capacity * serving.memory_fraction);
  const Bytes needed = memory.weights + memory.activations + memory.context + memory.block;
  report.warnings.push_back(
      {.code = ErrorCode::kFailedPrecondition,
       .message = fmt::format(
           "does not fit: with one KV block {} of the {} that {} takes of a GPU, {} too much; no "
           "request can be served, so there are no times",
           Format(needed), Format(asked_for), serving.engine.name,
           Format(std::max(needed - asked_for, Bytes::FromBase(0)))),
       .hint = MemoryRemedy(scenario)});
}

void AddAssumptions(sim::Report& report, const sim::Scenario& scenario,
                    const compute::OperationTime& time) {
  const sim::ServingScenario& serving = *scenario.serving;
  const hardware::RunProfile profile = {
      .dtypes = {serving.precision.weights}, .has_fused_attention = true, .gpus = serving.tp};
  for (const hardware::RateInUse& rate : time.RatesFor(profile)) {
    report.assumptions.push_back({rate.what, rate.value, rate.source});
  }
  for (const auto& [what, source] : serving.engine.sources) {
    report.assumptions.push_back({"engine " + what, serving.engine.title, source});
  }
  if (!serving.load->source.empty()) {
    report.assumptions.push_back({"requests", serving.load->description, serving.load->source});
  }
  report.assumptions.push_back({"metrics", "as `vllm bench serve` defines them",
                                "vllm-project/vllm vllm/benchmarks/serve.py"});
  for (const sim::FilledDefault& filled : scenario.defaults) {
    report.assumptions.push_back({filled.path, filled.value, "default"});
  }
}

void WarnOfRejected(sim::Report& report, const sim::ServingScenario& serving,
                    const ServingMemory& memory, const ServingMetrics& metrics) {
  if (metrics.rejected == 0) {
    return;
  }
  report.warnings.push_back(
      {.code = ErrorCode::kOutOfRange,
       .message = fmt::format("requests rejected, longer than {} tokens or than the KV cache of {} "
                              "tokens: {} of {}",
                              Grouped(serving.max_model_len),
                              Grouped(BlocksOf(serving, memory) * serving.engine.block_tokens),
                              Grouped(metrics.rejected),
                              Grouped(static_cast<int64_t>(serving.load->requests.size()))),
       .hint = "raise serving.max_model_len, or give the KV cache more memory"});
}

}  // namespace

int64_t BlocksOf(const sim::ServingScenario& serving, const ServingMemory& memory) {
  return serving.kv_blocks.value_or(memory.fits ? memory.blocks : 0);
}

sim::Report WriteServingReport(const sim::Scenario& scenario, const compute::OperationTime& time,
                               const ServingMemory& memory,
                               const std::optional<MetricsByBound>& metrics) {
  sim::Report report;
  report.kind = sim::ReportKind::kServing;
  report.title = Title(scenario);
  report.settings = sim::FlattenSettings(scenario.resolved);
  if (metrics) {
    AddServed(report, *metrics);
    WarnOfRejected(report, *scenario.serving, memory, (*metrics)[0]);
  }
  AddExact(report, "gpus", static_cast<double>(scenario.serving->gpus()), "1");
  AddMemory(report, scenario, memory);
  if (metrics) {
    AddTime(report, *metrics);
  }
  AddAssumptions(report, scenario, time);
  return report;
}

}  // namespace ridgeline::serving

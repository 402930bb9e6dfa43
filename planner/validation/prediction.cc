#include "planner/validation/prediction.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "hardware/gpu.h"
#include "planner/validation/measured_value.h"
#include "workloads/model.h"

namespace ridgeline::validation {
namespace {

/// What turns a step time into a rate and back.
struct StepFacts {
  double tokens_per_gpu = 0.0;         // of one step, divided among all GPUs
  double counted_flops_per_gpu = 0.0;  // by the publisher's convention
  double causal_flops_per_gpu = 0.0;   // model FLOPs of the constant-MFU guess
  double peak = 0.0;                   // FLOP/s; 0 when the GPU has none in this precision
};

StepFacts FactsOf(const FlopConvention& flops, const sim::Scenario& scenario) {
  const sim::TrainingScenario& job = *scenario.training;
  const double tokens = static_cast<double>(job.global_batch) *
                        static_cast<double>(job.sequence_length) /
                        static_cast<double>(job.layout.gpus());
  const std::optional<FlopsPerSecond> peak = hardware::PeakOf(scenario.cluster.gpu, job.precision);
  return {.tokens_per_gpu = tokens,
          .counted_flops_per_gpu =
              tokens *
              CountedFlopsPerToken(flops, job.model, job.sequence_length, job.recompute).base(),
          .causal_flops_per_gpu =
              tokens * workloads::TrainingFlopsPerToken(job.model, job.sequence_length, true),
          .peak = peak ? peak->base() : 0.0};
}

/// What the metric is at a step time of one second; the metric is this over the time. nullopt for
/// metrics that are not rates of a step.
std::optional<double> RateAtOneSecond(const Measurement& measurement, const StepFacts& facts,
                                      int64_t gpus) {
  const std::string& metric = measurement.metric;
  if (measurement.style == MetricStyle::kPublished) {
    if (metric == "tokens_per_s_per_gpu") {
      return facts.tokens_per_gpu;
    }
    if (metric == "tflops_per_gpu") {
      return facts.counted_flops_per_gpu / 1e12;
    }
    if (metric == "mfu" && facts.peak > 0.0) {
      return 100.0 * facts.counted_flops_per_gpu / facts.peak;
    }
    return std::nullopt;
  }
  if (metric == "tokens_per_second") {
    return facts.tokens_per_gpu * static_cast<double>(gpus);
  }
  if (metric == "tokens_per_second_per_gpu") {
    return facts.tokens_per_gpu;
  }
  if (metric == "model_flops_per_gpu") {
    return facts.causal_flops_per_gpu;
  }
  if (metric == "mfu" && facts.peak > 0.0) {
    return facts.causal_flops_per_gpu / facts.peak;
  }
  return std::nullopt;
}

std::string_view WorkOf(sim::ReportKind kind) {
  switch (kind) {
    case sim::ReportKind::kTraining:
      return "a training step";
    case sim::ReportKind::kServing:
      return "serving";
    case sim::ReportKind::kForward:
      return "a forward pass";
    case sim::ReportKind::kTraffic:
      return "traffic";
  }
  return {};
}

/// Metrics that only some kinds of work have: a mistake in the suite, and not a gap of ours.
bool IsOfOtherWork(const sim::Report& report, const std::string& name) {
  const bool is_step = name == "step_time" || name == "hfu" || name == "memory.gradients" ||
                       name == "memory.optimizer";
  const bool is_pass = name == "pass_time";
  const bool is_request = name.starts_with("ttft.") || name.starts_with("tpot.") ||
                          name.starts_with("itl.") || name.starts_with("e2el.") ||
                          name.ends_with("_throughput");
  return (is_step && report.kind != sim::ReportKind::kTraining) ||
         (is_pass && report.kind != sim::ReportKind::kForward) ||
         (is_request && report.kind != sim::ReportKind::kServing);
}

/// A metric of the contract that the report lacks is not built yet; other names are by cause, and
/// the cause does not occur.
Result<const sim::Metric*> FindMetric(const sim::Report& report, const std::string& name) {
  const sim::Metric* metric = report.Find(name);
  if (metric != nullptr) {
    return metric;
  }
  const std::vector<std::string> known = MeasurableMetrics();
  const std::string_view work = WorkOf(report.kind);
  if (!IsOfOtherWork(report, name) && std::find(known.begin(), known.end(), name) != known.end()) {
    return Unimplemented(fmt::format("{} of {}", name, work));
  }
  return Fail({.code = ErrorCode::kFailedPrecondition,
               .message = fmt::format("{} has no metric {}", work, name)});
}

}  // namespace

Result<Prediction> PredictMetric(const Measurement& measurement, const FlopConvention& flops,
                                 const sim::Scenario& scenario, const sim::Report& report) {
  if (measurement.metric == "oom") {
    const double runs_out = report.fits ? 0.0 : 1.0;
    return Prediction{.value = runs_out, .low = runs_out, .high = runs_out};
  }
  if (measurement.style == MetricStyle::kReport) {
    ASSIGN_OR_RETURN(const sim::Metric* metric, FindMetric(report, measurement.metric));
    return Prediction{.value = metric->value,
                      .low = metric->low,
                      .high = metric->high,
                      .evidence = metric->evidence};
  }
  ASSIGN_OR_RETURN(const sim::Metric* time, FindMetric(report, "step_time"));
  if (measurement.metric == "step_time_s") {
    return Prediction{
        .value = time->value, .low = time->low, .high = time->high, .evidence = time->evidence};
  }
  const std::optional<double> rate =
      RateAtOneSecond(measurement, FactsOf(flops, scenario), scenario.training->layout.gpus());
  if (!rate) {
    return Fail(
        {.code = ErrorCode::kFailedPrecondition,
         .message = "the metric needs a peak that the GPU does not have: " + measurement.metric});
  }
  return Prediction{.value = *rate / time->value,
                    .low = *rate / time->high,
                    .high = *rate / time->low,
                    .evidence = time->evidence};
}

double MeasuredMfu(const Measurement& measurement, const FlopConvention& flops,
                   const sim::Scenario& scenario) {
  if (!scenario.training) {
    return 0.0;
  }
  const StepFacts facts = FactsOf(flops, scenario);
  if (facts.peak <= 0.0) {
    return 0.0;
  }
  double seconds = 0.0;
  if (measurement.metric == "step_time_s" || measurement.metric == "step_time") {
    seconds = measurement.value;
  } else if (const std::optional<double> rate =
                 RateAtOneSecond(measurement, facts, scenario.training->layout.gpus())) {
    seconds = *rate / measurement.value;
  }
  return seconds > 0.0 ? facts.causal_flops_per_gpu / (facts.peak * seconds) : 0.0;
}

}  // namespace ridgeline::validation

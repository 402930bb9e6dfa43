#include "sim/serving/serving_simulation.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "sim/compute/operation_time.h"
#include "sim/serving/fleet.h"
#include "sim/serving/request_log.h"
#include "sim/serving/serving_memory.h"
#include "sim/serving/serving_metrics.h"
#include "sim/serving/serving_report.h"
#include "sim/serving/serving_trace.h"
#include "sim/serving/step_cost.h"
#include "sim/serving/step_times.h"

namespace ridgeline::serving {
namespace {

/// One of the runs at mean, low and high cost, as a third of the whole.
class ThirdOfProgress final : public Progress {
 public:
  ThirdOfProgress(Progress* whole, size_t third) : whole_(whole), third_(third) {}
  void Report(std::string_view phase, double done, double total, std::string_view unit) override {
    if (whole_ != nullptr) {
      whole_->Report(phase, done + static_cast<double>(third_) * total, 3 * total, unit);
    }
  }

 private:
  Progress* whole_;
  size_t third_;
};

Fleet DescribeFleet(const sim::ServingScenario& serving, int64_t blocks,
                    const sim::RunOptions& options) {
  Fleet fleet;
  fleet.limits = {.block_tokens = serving.engine.block_tokens,
                  .blocks = blocks,
                  .max_batched_tokens = serving.max_batched_tokens,
                  .max_sequences = serving.max_sequences,
                  .long_prefill_token_threshold = serving.long_prefill_token_threshold,
                  .max_model_len = serving.max_model_len,
                  .chunked_prefill = serving.chunked_prefill,
                  .prefix_caching = serving.prefix_caching};
  fleet.replicas = serving.replicas;
  fleet.router = serving.router;
  fleet.fast_forward = options.fast_forward;
  fleet.stop = options.stop;
  return fleet;
}

/// Serves the load at one bound of the cost; the run at the mean also writes what was asked for.
Result<ServingMetrics> ServeAt(compute::Bound bound, const sim::Scenario& scenario,
                               StepTimes& times, int64_t blocks, const sim::RunOptions& options) {
  const sim::ServingScenario& serving = *scenario.serving;
  const std::unique_ptr<StepCost> cost = MakeStepCost(scenario, times, bound);
  ThirdOfProgress progress(options.progress, static_cast<size_t>(bound));
  Fleet fleet = DescribeFleet(serving, blocks, options);
  fleet.progress = &progress;
  const bool is_mean = bound == compute::Bound::kMean;
  std::optional<ServingTrace> trace;
  if (is_mean && options.trace != nullptr) {
    trace.emplace(*options.trace, serving.replicas);
    fleet.observer = &*trace;
  }
  ASSIGN_OR_RETURN(const ServingOutcome outcome, Serve(fleet, *serving.load, *cost));
  if (trace) {
    RETURN_IF_ERROR(trace->Finish());
  }
  if (is_mean && options.requests != nullptr) {
    RETURN_IF_ERROR(WriteRequestLog(outcome.requests, *options.requests));
  }
  return MeasureServing(outcome);
}

/// Of a request of mean lengths: its prompt in steps of their own, its answer in steps of the mean
/// batch, of which it takes its share.
Result<sim::Reliance> RelianceOfRequest(const sim::Scenario& scenario,
                                        const compute::OperationTime& time, double mean_running) {
  const sim::ServingScenario& serving = *scenario.serving;
  const std::vector<workloads::Request>& requests = serving.load->requests;
  if (requests.empty()) {
    return sim::Reliance();
  }
  double input = 0;
  double output = 0;
  for (const workloads::Request& request : requests) {
    input += static_cast<double>(request.input_tokens);
    output += static_cast<double>(request.output_tokens);
  }
  input /= static_cast<double>(requests.size());
  output /= static_cast<double>(requests.size());
  const int64_t longest = std::max<int64_t>(1, serving.max_model_len);
  const int64_t prompt = std::clamp<int64_t>(std::llround(input), 1, longest);
  const int64_t piece = std::min(prompt, serving.max_batched_tokens);
  const PrefillChunk chunk{.tokens = piece, .context = (prompt - piece) / 2};
  sim::Reliance reliance;
  ASSIGN_OR_RETURN(const sim::Reliance prefill,
                   RelianceOfStep(scenario, time, {.chunks = {&chunk, 1}, .sampled = 1}));
  reliance.Add(prefill, static_cast<double>(prompt) / static_cast<double>(piece));
  if (output > 1) {
    const int64_t batch = std::clamp<int64_t>(std::llround(mean_running), 1, serving.max_sequences);
    const int64_t context = std::min<int64_t>(prompt + std::llround(output / 2), longest);
    ASSIGN_OR_RETURN(
        const sim::Reliance decode,
        RelianceOfStep(
            scenario, time,
            {.chunks = {}, .decodes = batch, .decode_context = batch * context, .sampled = batch}));
    reliance.Add(decode, (output - 1) / static_cast<double>(batch));
  }
  return reliance;
}

}  // namespace

Result<sim::Report> SimulateServing(const sim::Scenario& scenario, const sim::RunOptions& options) {
  const compute::OperationTime time = compute::OperationTime::Of(scenario.cluster, options.stop);
  const ServingMemory memory = CountServingMemory(scenario);
  const int64_t blocks = BlocksOf(*scenario.serving, memory);
  if (blocks < 1) {
    return WriteServingReport(scenario, time, memory, std::nullopt);
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<StepTimes> times, StepTimes::Of(scenario, time));
  MetricsByBound metrics;
  for (const compute::Bound bound : compute::kBounds) {
    ASSIGN_OR_RETURN(metrics[static_cast<size_t>(bound)],
                     ServeAt(bound, scenario, *times, blocks, options));
  }
  sim::Report report = WriteServingReport(scenario, time, memory, metrics);
  ASSIGN_OR_RETURN(const sim::Reliance reliance,
                   RelianceOfRequest(scenario, time, metrics[0].mean_running));
  RETURN_IF_ERROR(reliance.CheckMeasured(scenario.cluster));
  reliance.WriteInto(report, time);
  return report;
}

}  // namespace ridgeline::serving

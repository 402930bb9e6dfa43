#include "sim/serving/serving_simulation.h"

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
                               const compute::OperationTime& time, int64_t blocks,
                               const sim::RunOptions& options) {
  const sim::ServingScenario& serving = *scenario.serving;
  ASSIGN_OR_RETURN(const std::unique_ptr<StepCost> cost, MakeStepCost(scenario, time, bound));
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

}  // namespace

Result<sim::Report> SimulateServing(const sim::Scenario& scenario, const sim::RunOptions& options) {
  const compute::OperationTime time = compute::OperationTime::Of(scenario.cluster);
  const ServingMemory memory = CountServingMemory(scenario);
  const int64_t blocks = BlocksOf(*scenario.serving, memory);
  if (blocks < 1) {
    return WriteServingReport(scenario, time, memory, std::nullopt);
  }
  MetricsByBound metrics;
  for (const compute::Bound bound : compute::kBounds) {
    ASSIGN_OR_RETURN(metrics[static_cast<size_t>(bound)],
                     ServeAt(bound, scenario, time, blocks, options));
  }
  return WriteServingReport(scenario, time, memory, metrics);
}

}  // namespace ridgeline::serving

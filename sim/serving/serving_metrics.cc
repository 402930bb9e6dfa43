#include "sim/serving/serving_metrics.h"

#include <vector>

#include "base/percentile.h"
#include "sim/serving/decode_run.h"

namespace ridgeline::serving {
namespace {

using engine::Picoseconds;

double ToSeconds(Int128 span) { return static_cast<double>(span) * 1e-12; }

std::optional<Distribution> Describe(std::vector<double>& values, std::optional<double> mean = {}) {
  if (values.empty()) {
    return std::nullopt;
  }
  double sum = 0.0;
  for (const double value : values) {
    sum += value;
  }
  return Distribution{.mean = mean.value_or(sum / static_cast<double>(values.size())),
                      .p50 = ExactQuantile(values, 0.50),
                      .p90 = ExactQuantile(values, 0.90),
                      .p99 = ExactQuantile(values, 0.99)};
}

/// Sums over answered requests, in integers: the shares of the latency add up.
struct Sums {
  Int128 queue = 0;
  Int128 prefill = 0;
  Int128 decode = 0;
  Int128 preempted = 0;
  int64_t input = 0;
  int64_t output = 0;
  int64_t cached = 0;
};

void Count(const RequestOutcome& request, Sums& sums) {
  sums.queue += request.scheduled - request.arrival;
  sums.prefill += request.first_token - request.scheduled;
  sums.preempted += request.preempted_wait;
  sums.decode += request.last_token - request.first_token - request.preempted_wait;
  sums.input += request.input_tokens;
  sums.output += request.output_tokens;
  sums.cached += request.cached_tokens;
}

void CountState(RequestState state, ServingMetrics& metrics) {
  switch (state) {
    case RequestState::kDone:
      ++metrics.done;
      break;
    case RequestState::kRunning:
      ++metrics.running;
      break;
    case RequestState::kQueued:
      ++metrics.queued;
      break;
    case RequestState::kRejected:
      ++metrics.rejected;
      break;
  }
}

}  // namespace

ServingMetrics MeasureServing(const ServingOutcome& outcome) {
  ServingMetrics metrics;
  Sums sums;
  std::vector<double> ttft;
  std::vector<double> tpot;
  std::vector<double> e2el;
  for (const RequestOutcome& request : outcome.requests) {
    CountState(request.state, metrics);
    if (request.state != RequestState::kDone) {
      continue;
    }
    Count(request, sums);
    ttft.push_back(ToSeconds(request.first_token - request.arrival));
    e2el.push_back(ToSeconds(request.last_token - request.arrival));
    if (request.output_tokens > 1) {
      tpot.push_back(ToSeconds(request.last_token - request.first_token) /
                     static_cast<double>(request.output_tokens - 1));
    }
  }
  metrics.steps = outcome.steps;
  metrics.preemptions = outcome.preemptions;
  metrics.makespan = ToSeconds(outcome.makespan);
  metrics.mean_running =
      outcome.busy_seconds > 0 ? outcome.running_time_integral / outcome.busy_seconds : 0.0;
  if (metrics.done == 0) {
    return metrics;
  }
  const auto done = static_cast<double>(metrics.done);
  metrics.request_throughput = done / metrics.makespan;
  metrics.output_throughput = static_cast<double>(sums.output) / metrics.makespan;
  metrics.total_token_throughput = static_cast<double>(sums.input + sums.output) / metrics.makespan;
  metrics.queue = ToSeconds(sums.queue) / done;
  metrics.prefill = ToSeconds(sums.prefill) / done;
  metrics.decode = ToSeconds(sums.decode) / done;
  metrics.preempted = ToSeconds(sums.preempted) / done;
  metrics.hit_rate = static_cast<double>(sums.cached) / static_cast<double>(sums.input);
  metrics.ttft = Describe(ttft, ToSeconds(sums.queue + sums.prefill) / done);
  metrics.tpot = Describe(tpot);
  // The very sum of its shares, so that a reader who adds them up finds it.
  metrics.e2el =
      Describe(e2el, metrics.queue + metrics.prefill + metrics.decode + metrics.preempted);
  if (CountGaps(outcome.gaps) > 0) {
    metrics.itl = GapStatistics(outcome.gaps);
  }
  return metrics;
}

}  // namespace ridgeline::serving

/// The figures of a benchmark of a serving deployment, as `vllm bench serve` defines them
/// (vllm-project/vllm vllm/benchmarks/serve.py), over the requests that were answered:
///
///   ttft  first token - arrival                               one value a request
///   tpot  (last token - first token) / (output tokens - 1)    one value a request; those with one
///                                                             output token are left out
///   itl   gaps between tokens                                 pooled over all requests, so that
///                                                             long answers weigh more than in tpot
///   e2el  last token - arrival                                one value a request
///   throughputs  per second from the start to the last completion, ramp included
#pragma once

#include <cstdint>
#include <optional>

#include "sim/serving/gap_statistics.h"
#include "sim/serving/request_outcome.h"

namespace ridgeline::serving {

struct ServingMetrics {
  int64_t done = 0;
  int64_t running = 0;
  int64_t queued = 0;
  int64_t rejected = 0;
  double makespan = 0.0;                // seconds
  double request_throughput = 0.0;      // per second; 0 when nothing was answered
  double output_throughput = 0.0;       // tokens per second
  double total_token_throughput = 0.0;  // input and output
  // Absent when no request counts.
  std::optional<Distribution> ttft;
  std::optional<Distribution> tpot;
  std::optional<Distribution> itl;
  std::optional<Distribution> e2el;
  // Mean seconds of an answered request; together the mean e2el.
  double queue = 0.0;         // arrival to first scheduled
  double prefill = 0.0;       // to first token
  double decode = 0.0;        // to last token, less
  double preempted = 0.0;     // preempted and not yet scheduled again
  double mean_running = 0.0;  // sequences in a batch, over the time of all steps
  double hit_rate = 0.0;      // prompt tokens found in the prefix cache, of all answered prompts'
  int64_t steps = 0;
  int64_t preemptions = 0;
};

ServingMetrics MeasureServing(const ServingOutcome& outcome);

}  // namespace ridgeline::serving

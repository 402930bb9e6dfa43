/// What became of the requests: the raw material of metrics, of the per-request CSV and of
/// comparisons with measured logs.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/engine/sim_time.h"

namespace ridgeline::serving {

enum class RequestState { kDone, kRunning, kQueued, kRejected };

/// Gaps between a request's tokens that grow by a constant: `count` gaps, the first `first`, each
/// `step` longer than the one before; `sequences` requests of one batch had them at the same time.
struct GapRun {
  engine::Picoseconds first = 0;
  engine::Picoseconds step = 0;
  int64_t count = 0;
  int64_t sequences = 1;
};

struct RequestOutcome {
  RequestState state = RequestState::kQueued;
  int32_t replica = -1;
  engine::Picoseconds arrival = 0;
  engine::Picoseconds scheduled = 0;    // first time in a batch
  engine::Picoseconds first_token = 0;  // end of the step that sampled it
  engine::Picoseconds last_token = 0;
  /// Between first and last token: from each preemption until it was scheduled again.
  engine::Picoseconds preempted_wait = 0;
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;  // got so far
  int64_t cached_tokens = 0;  // of the prompt, found in the prefix cache when first scheduled
  int32_t preemptions = 0;
};

/// All requests in the order of the load. `gaps` pools every request's inter-token gaps, as
/// `vllm bench serve` pools them for ITL.
struct ServingOutcome {
  std::vector<RequestOutcome> requests;
  std::vector<GapRun> gaps;
  engine::Picoseconds makespan = 0;  // start to last completion
  int64_t steps = 0;                 // iterations over all replicas
  int64_t preemptions = 0;
  double running_time_integral = 0;  // sequences x seconds of steps, over all replicas
  double busy_seconds = 0;           // of steps, over all replicas
};

}  // namespace ridgeline::serving

/// Replicas, their router and their load, with nothing of models or GPUs: what the simulation runs
/// and what a comparison with a measured log runs with a fitted StepCost.
#pragma once

#include <cstdint>

#include "base/progress.h"
#include "base/result.h"
#include "base/stop.h"
#include "sim/serving/request_outcome.h"
#include "sim/serving/step_cost.h"
#include "workloads/request_load.h"
#include "workloads/serving_job.h"

namespace ridgeline::serving {

/// Limits of one replica's scheduler.
struct SchedulerLimits {
  int64_t block_tokens = 16;
  int64_t blocks = 0;  // usable ones
  int64_t max_batched_tokens = 8192;
  int64_t max_sequences = 1024;
  int64_t long_prefill_token_threshold = 0;  // 0: off
  int64_t max_model_len = 0;                 // longer requests are rejected
  bool chunked_prefill = true;
  bool prefix_caching = true;
};

/// Is told of every iteration (or run of equal ones); for traces.
class StepObserver {
 public:
  virtual ~StepObserver() = default;
  struct Step {
    int32_t replica = 0;
    engine::Picoseconds begin = 0;
    engine::Picoseconds end = 0;
    int64_t iterations = 1;  // more than one: fast-forwarded
    int64_t prefill_tokens = 0;
    int64_t decodes = 0;
    int64_t running = 0;
    int64_t waiting = 0;
    int64_t free_blocks = 0;
  };
  virtual void OnStep(const Step& step) = 0;
};

struct Fleet {
  SchedulerLimits limits;
  int64_t replicas = 1;
  workloads::Router router = workloads::Router::kRoundRobin;
  bool fast_forward = true;
  Stop stop = {};
  Progress* progress = nullptr;      // may be null
  StepObserver* observer = nullptr;  // may be null
};

/// Serves the whole load. All replicas share `cost`. Every request ends in exactly one state
/// (INV-1). Errors: those of `fleet.stop`; kOutOfRange when the clock (106 days) is not enough.
Result<ServingOutcome> Serve(const Fleet& fleet, const workloads::RequestLoad& load,
                             StepCost& cost);

}  // namespace ridgeline::serving

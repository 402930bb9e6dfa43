/// What a serving engine's memory is spent on, and so how many KV blocks a GPU has room for: vLLM's
/// own reckoning (vllm-project/vllm vllm/v1/worker/gpu_worker.py): fraction x capacity - weights -
/// peak activations of a dummy run of max_batched_tokens over max_sequences (logits in fp32
/// included) - what stands outside the allocator; the rest in whole blocks over all layers.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/units.h"
#include "sim/scenario.h"

namespace ridgeline::serving {

struct ServingMemory {
  Bytes weights;
  Bytes activations;   // peak of the dummy run
  Bytes context;       // CUDA context, NCCL
  Bytes kv_cache;      // all blocks
  Bytes unused;        // capacity that the engine does not ask for
  Bytes block;         // one KV block on one GPU, over all layers
  int64_t blocks = 0;  // of block_tokens; 0 when the model does not fit
  bool fits = true;    // one sequence of one block at least
};

ServingMemory CountServingMemory(const sim::Scenario& scenario);

}  // namespace ridgeline::serving

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

/// What the driver keeps of a board's memory and no process sees: an H100's 81,559 MiB by
/// nvidia-smi less the 85,017,493,504 B that a process sees of it (configs/gpus/h100-sxm.yaml).
inline constexpr double kDriverGibibytes = 0.469;
/// What stands outside PyTorch's allocator and grows while the engine starts (cuBLAS workspaces,
/// NCCL): vllm-project/vllm#12126 logs 0.16 GiB on one GPU, vllm-project/vllm#14447 0.20 GiB a rank
/// under tensor parallelism. The CUDA context is there before the engine looks and is not counted.
inline constexpr double kOutsideAllocatorGibibytes = 0.16;
inline constexpr double kOutsideAllocatorGibibytesParallel = 0.20;
/// Bytes a logit at the sampler's widest point, beside the logit itself: fp32 copy 4, sorted values
/// 4, their indices 8, probabilities 4, cumulated 4, mask 1, scattered back 4 (the PyTorch path of
/// vllm-project/vllm vllm/v1/sample/ops/topk_topp_sampler.py, with top-k and top-p set as its dummy
/// run sets them).
inline constexpr double kSamplingBytesPerLogit = 29;

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

/// How good it is: Llama-3.1-8B in BF16 on an RTX 4090, 0.9, 2048 tokens, 256 sequences: vLLM 0.19
/// has 2,588 blocks (casys-kaist/LLMServingSim, bench metadata), this gives 2,604 (+0.6 %); the
/// peak of activations of Llama-3-8B logs as 1.26 GiB (vllm-project/vllm#10511, 0.6), this gives
/// 0.96. No constant is fitted to either.
ServingMemory CountServingMemory(const sim::Scenario& scenario);

}  // namespace ridgeline::serving

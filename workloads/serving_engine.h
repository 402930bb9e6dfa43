/// What a serving engine does, as data: configs/engines/NAME.yaml. Scheduling limits and their
/// defaults by GPU, block size, what fuses, host time. The policy itself (which request runs next)
/// is code, one a family of engines. Every constant carries its source.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/units.h"
#include "workloads/framework.h"

namespace ridgeline::workloads {

/// Which scheduler an engine runs. kVllm: vLLM v1 (token budget, running before waiting, tail
/// preemption with recomputation).
enum class BatchingPolicy { kVllm };
EnumTable<BatchingPolicy> EnumNames(Tag<BatchingPolicy>);

/// Defaults that an engine picks by the GPU it finds.
struct EngineLimits {
  int64_t max_batched_tokens = 8192;
  int64_t max_sequences = 1024;
  friend bool operator==(const EngineLimits&, const EngineLimits&) = default;
};

struct ServingEngine {
  std::string name;     // "vllm"
  std::string title;    // "vLLM 0.19 (v1 engine)"
  std::string version;  // "0.19"; `engine: vllm@0.19` must match
  std::vector<std::string> aliases;
  BatchingPolicy policy = BatchingPolicy::kVllm;
  int64_t block_tokens = 16;
  double memory_fraction = 0.9;
  Bytes large_gpu_memory;  // GPUs with at least this much take `large_gpu`, others `small_gpu`
  std::vector<std::string>
      small_gpu_names;  // prefixes of GPUs that take `small_gpu` whatever they hold
  EngineLimits large_gpu;
  EngineLimits small_gpu;
  bool chunked_prefill = true;
  bool prefix_caching = true;
  Fusion fusion;
  Recipes recipes;
  /// Batch sizes that have a CUDA graph; a decode batch is padded up to the next one.
  std::vector<int64_t> captured_batches;
  /// Host time that each step costs beside the GPU's, and whether it runs while the GPU works (the
  /// step then takes the longer of the two) or adds to it.
  Seconds host_time_per_step;
  Seconds host_time_per_sequence;
  bool overlaps_host = true;
  std::map<std::string, std::string> sources;  // of every constant above
  friend bool operator==(const ServingEngine&, const ServingEngine&) = default;
};
const Schema<ServingEngine>& SchemaOf(Tag<ServingEngine>);
const Schema<EngineLimits>& SchemaOf(Tag<EngineLimits>);

}  // namespace ridgeline::workloads

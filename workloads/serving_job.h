/// The `serving:` block of a scenario, as written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/config_reader.h"
#include "base/dtype.h"
#include "workloads/model.h"
#include "workloads/parallelism.h"

namespace ridgeline::workloads {

/// Who gets the next request: the replicas in turn, or the one with the fewest unfinished requests
/// (ties: the lowest number).
enum class Router { kRoundRobin, kLeastRequests };
EnumTable<Router> EnumNames(Tag<Router>);

/// Unset ones come from the engine and the GPU.
struct SchedulerSettings {
  std::optional<int64_t> max_batched_tokens;
  std::optional<int64_t> max_sequences;
  std::optional<int64_t> long_prefill_token_threshold;  // 0: off
  std::optional<bool> chunked_prefill;
  std::optional<bool> prefix_caching;
  std::optional<int64_t> kv_blocks;  // overrides the count that the memory gives
  friend bool operator==(const SchedulerSettings&, const SchedulerSettings&) = default;
};
const Schema<SchedulerSettings>& SchemaOf(Tag<SchedulerSettings>);

struct ServingPrecision {
  DType weights = DType::kBf16;
  DType kv_cache = DType::kBf16;
  friend bool operator==(const ServingPrecision&, const ServingPrecision&) = default;
};
const Schema<ServingPrecision>& SchemaOf(Tag<ServingPrecision>);

struct ServingJob {
  Reference<Model> model;
  std::optional<int64_t> layers;  // keep only the first n (scaled-down studies)
  std::string engine = "vllm";    // a name under configs/engines; "vllm@0.19" asks for a version
  int64_t replicas = 1;
  Parallelism parallelism;
  ServingPrecision precision;
  SchedulerSettings scheduler;
  std::optional<Ratio> memory_fraction;
  std::optional<int64_t> max_model_len;  // default: the model's positions
  Router router = Router::kRoundRobin;
};
const Schema<ServingJob>& SchemaOf(Tag<ServingJob>);

}  // namespace ridgeline::workloads

#include "workloads/serving_job.h"

#include <array>

namespace ridgeline::workloads {

EnumTable<Router> EnumNames(Tag<Router>) {
  static constexpr std::array<std::pair<std::string_view, Router>, 2> kTable = {{
      {"round-robin", Router::kRoundRobin},
      {"least-requests", Router::kLeastRequests},
  }};
  return kTable;
}

const Schema<SchedulerSettings>& SchemaOf(Tag<SchedulerSettings>) {
  static const Schema<SchedulerSettings> schema =
      Schema<SchedulerSettings>("limits of a replica's scheduler; unset ones are the engine's")
          .Optional("max_batched_tokens", &SchedulerSettings::max_batched_tokens,
                    "tokens that one step computes at most", {.at_least = 1, .at_most = 1 << 20})
          .Optional("max_sequences", &SchedulerSettings::max_sequences,
                    "sequences that run at once at most", {.at_least = 1, .at_most = 1 << 20})
          .Optional(
              "long_prefill_token_threshold", &SchedulerSettings::long_prefill_token_threshold,
              "tokens of one prompt that a step computes at most; 0: no limit", {.at_least = 0})
          .Optional("chunked_prefill", &SchedulerSettings::chunked_prefill,
                    "whether a prompt may be spread over steps")
          .Optional("prefix_caching", &SchedulerSettings::prefix_caching,
                    "whether KV blocks of equal prefixes are shared")
          .Optional("kv_blocks", &SchedulerSettings::kv_blocks,
                    "KV blocks of a replica; default: what the memory has room for",
                    {.at_least = 1});
  return schema;
}

const Schema<ServingPrecision>& SchemaOf(Tag<ServingPrecision>) {
  static const Schema<ServingPrecision> schema =
      Schema<ServingPrecision>("data types of a deployment")
          .Optional("weights", &ServingPrecision::weights, "of the weights and the computation")
          .Optional("kv_cache", &ServingPrecision::kv_cache, "of the KV cache");
  return schema;
}

const Schema<ServingJob>& SchemaOf(Tag<ServingJob>) {
  static const Schema<ServingJob> schema =
      Schema<ServingJob>("a serving deployment: replicas of an engine that hold one model")
          .Required("model", &ServingJob::model,
                    "a name under configs/models, a path to a Hugging Face config.json, or its "
                    "keys inline")
          .Optional("layers", &ServingJob::layers, "keep only the first n layers of the model",
                    {.at_least = 1, .at_most = 100'000})
          .Optional("engine", &ServingJob::engine,
                    "a name under configs/engines; vllm@0.19 asks for a version")
          .Optional("replicas", &ServingJob::replicas, "copies of the model that share the load",
                    {.at_least = 1, .at_most = 1 << 20})
          .Optional("parallelism", &ServingJob::parallelism, "how one replica is spread over GPUs")
          .Optional("precision", &ServingJob::precision, "data types")
          .Optional("scheduler", &ServingJob::scheduler, "limits of a replica's scheduler")
          .Optional("memory_fraction", &ServingJob::memory_fraction,
                    "of a GPU's memory that the engine may take; default: the engine's",
                    {.above = Ratio{0.0}, .at_most = Ratio{1.0}})
          .Optional("max_model_len", &ServingJob::max_model_len,
                    "tokens of prompt and answer; longer requests are rejected; default: the "
                    "model's positions",
                    {.at_least = 2})
          .Optional("router", &ServingJob::router, "which replica gets the next request");
  return schema;
}

}  // namespace ridgeline::workloads

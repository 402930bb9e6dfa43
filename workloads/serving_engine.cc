#include "workloads/serving_engine.h"

#include <array>

namespace ridgeline::workloads {

EnumTable<BatchingPolicy> EnumNames(Tag<BatchingPolicy>) {
  static constexpr std::array<std::pair<std::string_view, BatchingPolicy>, 1> kNames{
      {{"vllm", BatchingPolicy::kVllm}}};
  return kNames;
}

const Schema<EngineLimits>& SchemaOf(Tag<EngineLimits>) {
  static const Schema<EngineLimits> schema =
      Schema<EngineLimits>("limits that an engine takes by default")
          .Required("max_batched_tokens", &EngineLimits::max_batched_tokens,
                    "tokens that one step computes at most", {.at_least = 1, .at_most = 1 << 20})
          .Required("max_sequences", &EngineLimits::max_sequences,
                    "sequences that run at once at most", {.at_least = 1, .at_most = 1 << 20});
  return schema;
}

const Schema<ServingEngine>& SchemaOf(Tag<ServingEngine>) {
  static const Schema<ServingEngine> schema =
      Schema<ServingEngine>("what a serving engine does")
          .Required("name", &ServingEngine::name, "as under configs/engines")
          .Required("title", &ServingEngine::title, "for people")
          .Required("version", &ServingEngine::version, "whose figures these are")
          .Optional("aliases", &ServingEngine::aliases, "other names")
          .Required("policy", &ServingEngine::policy, "which scheduler it runs")
          .Required("block_tokens", &ServingEngine::block_tokens, "tokens of a KV block",
                    {.at_least = 1, .at_most = 4096})
          .Required("memory_fraction", &ServingEngine::memory_fraction,
                    "of a GPU's memory that it takes", {.above = 0.0, .at_most = 1.0})
          .Required("large_gpu_memory", &ServingEngine::large_gpu_memory,
                    "GPUs with at least this much take large_gpu")
          .Optional("small_gpu_names", &ServingEngine::small_gpu_names,
                    "prefixes of GPUs that take small_gpu whatever they hold")
          .Required("large_gpu", &ServingEngine::large_gpu, "default limits on large GPUs")
          .Required("small_gpu", &ServingEngine::small_gpu, "default limits on the others")
          .Optional("chunked_prefill", &ServingEngine::chunked_prefill,
                    "whether a prompt may be spread over steps")
          .Optional("prefix_caching", &ServingEngine::prefix_caching,
                    "whether KV blocks of equal prefixes are shared")
          .Optional("fusion", &ServingEngine::fusion, "which matrix products are one")
          .Optional("recipes", &ServingEngine::recipes, "kernels that are bound by memory")
          .Optional("captured_batches", &ServingEngine::captured_batches,
                    "numbers of tokens that have a CUDA graph; a step is padded up to the next")
          .Optional("host_time_per_step", &ServingEngine::host_time_per_step, "host time of a step",
                    {.at_least = Seconds{}})
          .Optional("host_time_per_sequence", &ServingEngine::host_time_per_sequence,
                    "host time of a step, for each sequence in it", {.at_least = Seconds{}})
          .Optional("overlaps_host", &ServingEngine::overlaps_host,
                    "whether the host works while the GPU does")
          .Required("sources", &ServingEngine::sources, "where every figure above comes from")
          .Rule([](const ServingEngine& engine, const Node& node, const DecodeContext& context) {
            int64_t before = 0;
            for (const int64_t size : engine.captured_batches) {
              if (size <= before) {
                context.Key("captured_batches")
                    .Fail(*node.Find("captured_batches"),
                          fmt::format("sizes must rise from 1: {} after {}", size, before));
                return;
              }
              before = size;
            }
          });
  return schema;
}

}  // namespace ridgeline::workloads

#include "sim/serving/memory_remedy.h"

#include <algorithm>

#include <fmt/format.h>

#include "sim/serving/serving_memory.h"

namespace ridgeline::serving {
namespace {

constexpr int64_t kSmallestBudget = 2048;  // vLLM's default for small GPUs
constexpr double kLargestFraction = 0.95;

bool HeadsDivide(const workloads::Model& model, int64_t tp) {
  return std::all_of(model.kinds.begin(), model.kinds.end(),
                     [&](const workloads::Layer& layer) { return layer.mixer.heads % tp == 0; });
}

}  // namespace

std::string MemoryRemedy(const sim::Scenario& scenario) {
  sim::Scenario changed = scenario;
  sim::ServingScenario& serving = *changed.serving;
  const sim::ServingScenario& asked = *scenario.serving;
  if (asked.max_batched_tokens > kSmallestBudget) {
    serving.max_batched_tokens = kSmallestBudget;
    if (CountServingMemory(changed).fits) {
      return fmt::format("serving.scheduler.max_batched_tokens={} fits", kSmallestBudget);
    }
    serving.max_batched_tokens = asked.max_batched_tokens;
  }
  if (asked.memory_fraction < kLargestFraction) {
    serving.memory_fraction = kLargestFraction;
    if (CountServingMemory(changed).fits) {
      return fmt::format("serving.memory_fraction={} fits", kLargestFraction);
    }
    serving.memory_fraction = asked.memory_fraction;
  }
  for (int64_t tp = 2 * asked.tp; tp <= scenario.cluster.node.gpus; tp *= 2) {
    serving.tp = tp;
    if (!HeadsDivide(asked.model, tp) || !CountServingMemory(changed).fits) {
      continue;
    }
    const int64_t replicas = std::min(asked.replicas, scenario.cluster.gpus() / tp);
    return replicas == asked.replicas
               ? fmt::format("serving.parallelism.tp={} fits", tp)
               : fmt::format("serving.parallelism.tp={} fits, with serving.replicas={}", tp,
                             replicas);
  }
  return "no tensor parallelism within a node makes it fit: use GPUs with more memory, or weights "
         "in fewer bits";
}

}  // namespace ridgeline::serving

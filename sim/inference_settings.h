/// From a resolved scenario to what the lowering of inference reads, and the rules that serving and
/// forward passes share.
#pragma once

#include <string>

#include "base/diagnostic.h"
#include "sim/scenario.h"
#include "workloads/inference_lowering.h"

namespace ridgeline::sim {

/// Points into the scenario: keep it alive.
inline workloads::InferenceSettings SettingsOf(const ServingScenario& serving,
                                               const hardware::Cluster& cluster) {
  return {.model = &serving.model,
          .fusion = serving.engine.fusion,
          .recipes = serving.engine.recipes,
          .tp = serving.tp,
          .gpus_per_node = cluster.node.gpus,
          .weights = serving.precision.weights,
          .kv_cache = serving.precision.kv_cache};
}
inline workloads::InferenceSettings SettingsOf(const ForwardScenario& forward,
                                               const hardware::Cluster& cluster) {
  return {.model = &forward.model,
          .fusion = forward.framework.fusion,
          .recipes = forward.framework.recipes,
          .attention = forward.framework.attention,
          .decode_attention = forward.framework.decode_attention,
          .tp = forward.tp,
          .gpus_per_node = cluster.node.gpus,
          .weights = forward.precision,
          .kv_cache = forward.kv_cache};
}

/// tp within one node; divides heads, KV heads (or is a multiple of them: then they are replicated,
/// as vLLM does) and widths; everything but tp is not built. `block`: "serving" or "forward".
void CheckInferenceLayout(const workloads::Model& model, const workloads::Parallelism& parallelism,
                          const hardware::Cluster& cluster, const std::string& block,
                          const Node& document, Diagnostics& diagnostics);

}  // namespace ridgeline::sim

#include "sim/serving/serving_memory.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "sim/inference_settings.h"

namespace ridgeline::serving {
namespace {

using workloads::Model;

double Real(int64_t value) { return static_cast<double>(value); }

/// vLLM's dummy run: a step of max_batched_tokens, then sampling for as many sequences as run at
/// once. The two are not alive together, the hidden states are through both.
Bytes PeakActivations(const sim::ServingScenario& serving,
                      const workloads::InferenceSettings& settings) {
  const Model& model = serving.model;
  const double element = BytesPerElement(serving.precision.weights).base();
  const double tokens = Real(serving.max_batched_tokens);
  const Bytes layers = workloads::LayerActivationBytes(settings, serving.max_batched_tokens);
  const double rows = Real(std::min(serving.max_batched_tokens, serving.max_sequences));
  const double logits = rows * Real(model.vocabulary);
  const double sampling =
      tokens * Real(model.hidden) * element + logits * (element + kSamplingBytesPerLogit);
  return std::max(layers, Bytes::FromBase(sampling));
}

}  // namespace

ServingMemory CountServingMemory(const sim::Scenario& scenario) {
  CHECK(scenario.serving.has_value(), "no deployment to count");
  const sim::ServingScenario& serving = *scenario.serving;
  const workloads::InferenceSettings settings = sim::SettingsOf(serving, scenario.cluster);
  const Bytes capacity = scenario.cluster.gpu.memory.capacity;
  const Bytes visible = capacity - Gibibytes(kDriverGibibytes);
  ServingMemory memory;
  memory.weights = workloads::WeightBytesOnRank(settings);
  memory.activations = PeakActivations(serving, settings);
  memory.context =
      Gibibytes(serving.tp > 1 ? kOutsideAllocatorGibibytesParallel : kOutsideAllocatorGibibytes);
  memory.block =
      workloads::KvBytesPerTokenOnRank(settings) * static_cast<double>(serving.engine.block_tokens);
  const Bytes asked = visible * serving.memory_fraction;
  const Bytes left = asked - memory.weights - memory.activations - memory.context;
  // A model without a cache (no attention at all) has room for any number of blocks.
  const double room =
      memory.block.base() > 0.0 ? std::max(0.0, std::floor(left / memory.block)) : 0.0;
  memory.blocks = static_cast<int64_t>(std::min(room, 1e15));
  if (serving.kv_blocks) {
    memory.blocks = *serving.kv_blocks;
  }
  memory.kv_cache = memory.block * static_cast<double>(memory.blocks);
  const Bytes used = memory.weights + memory.activations + memory.context + memory.kv_cache;
  memory.unused = Bytes::FromBase(std::max(0.0, (capacity - used).base()));
  memory.fits = memory.blocks > 0 && !(visible < used);
  return memory;
}

}  // namespace ridgeline::serving

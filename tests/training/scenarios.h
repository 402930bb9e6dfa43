/// Scenarios for the tests of training, resolved against the shipped catalog.
#pragma once

#include <string>

#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "sim/scenario.h"

namespace ridgeline::training {

inline hardware::Catalog ShippedCatalog() {
  return hardware::Catalog({RIDGELINE_SOURCE_DIR "/configs"});
}

inline Result<sim::Scenario> Resolve(const std::string& yaml) {
  ASSIGN_OR_RETURN(const Node document, ParseDocument("test.yaml", yaml));
  return sim::ResolveScenario(document, ShippedCatalog());
}

inline sim::Scenario MustResolve(const std::string& yaml) {
  Result<sim::Scenario> scenario = Resolve(yaml);
  if (!scenario) {
    ADD_FAILURE() << RenderError(scenario.error()) << yaml;
    return {};
  }
  return *std::move(scenario);
}

/// A small decoder whose shape divides well. `spread`: more keys of its parallelism, as ", ep: 1".
inline std::string SmallJob(int tp, int pp, int vpp, int dp, int micro_batches,
                            const std::string& more = {}, int cp = 1,
                            const std::string& spread = {}) {
  return fmt::format(R"(
cluster: {{nodes: dgx-h100, count: 64}}
training:
  model: {{model_type: decoder, hidden_size: 1024, num_hidden_layers: 16, num_attention_heads: 16, num_key_value_heads: 8,
          intermediate_size: 4096, vocab_size: 32000}}
  sequence_length: 2048
  global_batch: {}
  gpus: {}
  parallelism: {{tp: {}, pp: {}, vpp: {}, cp: {}{}}}
{})",
                     micro_batches * dp, tp * pp * cp * dp, tp, pp, vpp, cp, spread, more);
}

}  // namespace ridgeline::training

/// Scenarios of serving and of forward passes, from text, against the shipped catalog.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "sim/scenario.h"

namespace ridgeline::sim {

inline Result<Scenario> Resolve(const std::string& text,
                                const std::vector<std::string>& overrides = {}) {
  const hardware::Catalog catalog({std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs"});
  return ReadScenarioTexts({{"test.yaml", text}}, overrides).and_then([&](const Node& document) {
    return ResolveScenario(document, catalog);
  });
}

inline Scenario MustResolve(const std::string& text,
                            const std::vector<std::string>& overrides = {}) {
  Result<Scenario> scenario = Resolve(text, overrides);
  EXPECT_TRUE(scenario.has_value()) << RenderError(scenario.error());
  return scenario.value_or(Scenario{});
}

inline std::string ErrorOf(const std::string& text, const std::vector<std::string>& overrides) {
  const Result<Scenario> scenario = Resolve(text, overrides);
  EXPECT_FALSE(scenario.has_value());
  return scenario ? "" : RenderError(scenario.error());
}

inline const std::string kServing =
    R"(cluster: {nodes: hgx-h100, count: 2, fabric: rail-optimized-400g}
serving:
  model: llama-3.1-8b
  replicas: 2
  parallelism: {tp: 2}
workload:
  arrivals: {rate: 4 req/s}
  requests: 10
  input_tokens: 100
  output_tokens: 10
)";

inline const std::string kForward = R"(cluster: {nodes: hgx-h100, count: 1}
forward:
  model: llama-3.1-8b
  phase: decode
  context: 1024
)";

}  // namespace ridgeline::sim

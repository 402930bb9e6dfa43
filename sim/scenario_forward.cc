#include "sim/scenario_blocks.h"

namespace ridgeline::sim {

std::optional<ForwardScenario> ResolveForward(const workloads::ForwardPass&,
                                              const std::optional<hardware::Cluster>&,
                                              const Node& document, const hardware::Catalog&,
                                              Diagnostics& diagnostics) {
  diagnostics.Add(ErrorAt(document, "forward", "not built yet: simulation of one forward pass", "",
                          ErrorCode::kUnimplemented));
  return std::nullopt;
}

void WriteDefaults(const ForwardScenario&, ResolvedDocument&) {}

}  // namespace ridgeline::sim

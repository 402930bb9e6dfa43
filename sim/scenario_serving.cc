#include "sim/scenario_blocks.h"

namespace ridgeline::sim {

std::optional<ServingScenario> ResolveServing(const workloads::ServingJob&,
                                              const std::optional<workloads::Workload>&, uint64_t,
                                              const std::optional<hardware::Cluster>&,
                                              const Node& document, const hardware::Catalog&,
                                              Diagnostics& diagnostics) {
  diagnostics.Add(ErrorAt(document, "serving", "not built yet: simulation of serving", "",
                          ErrorCode::kUnimplemented));
  return std::nullopt;
}

void WriteDefaults(const ServingScenario&, ResolvedDocument&) {}

}  // namespace ridgeline::sim

#include "service/cli/remote.h"

namespace ridgeline::cli {

Result<report::SimulationResult> SimulateOnServer(const Session&, const std::vector<std::string>&) {
  return Unimplemented("not built yet: simulate --server");
}

Result<report::PlanResult> PlanOnServer(const Session&, const std::vector<std::string>&,
                                        const std::function<void(const planner::Candidate&)>&) {
  return Unimplemented("not built yet: plan --server");
}

}  // namespace ridgeline::cli

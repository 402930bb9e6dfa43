/// A command's work done by the server that --server names. What the command does with the answer
/// (rendering, exit code, remarks) is the same as for work done here, so that the bytes are too.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/cli/commands.h"
#include "service/report/plan_result.h"
#include "service/report/simulation_result.h"

namespace ridgeline::cli {

/// `files` are the scenario's, as ScenarioPaths found them; names of inputs are those of
/// `session.line.arguments`. Errors: kUnavailable when nothing answers there, the server's own with
/// their places, and flags that a question cannot carry (a choice of measured costs).
Result<report::SimulationResult> SimulateOnServer(const Session& session,
                                                  const std::vector<std::string>& files);
/// As SimulateOnServer; incumbents go to `on_incumbent` as they come (may be empty).
Result<report::PlanResult> PlanOnServer(
    const Session& session, const std::vector<std::string>& files,
    const std::function<void(const planner::Candidate&)>& on_incumbent);

}  // namespace ridgeline::cli

/// Answers on the wire and back: every field, so that a client renders the very bytes that a run at
/// home gives. Doubles stay doubles. `FromMessage(ToMessage(x))` is x, but for sources of locations
/// (service/api/diagnostic_message.h) and for enumerators that a newer peer knows and we do not.
#pragma once

#include "planner/plan.h"
#include "planner/what_if.h"
#include "service/report/plan_result.h"
#include "service/report/simulation_result.h"
#include "service/report/what_if_result.h"
#include "sim/report.h"

namespace ridgeline::v1 {
class Candidate;
class PlanResult;
class Report;
class SimulationResult;
class WhatIfResult;
}  // namespace ridgeline::v1

namespace ridgeline::api {

void ToMessage(const sim::Report& report, v1::Report& message);
sim::Report FromMessage(const v1::Report& message);

void ToMessage(const report::SimulationResult& result, v1::SimulationResult& message);
report::SimulationResult FromMessage(const v1::SimulationResult& message);

void ToMessage(const planner::Candidate& candidate, v1::Candidate& message);
planner::Candidate FromMessage(const v1::Candidate& message);

void ToMessage(const report::PlanResult& result, v1::PlanResult& message);
report::PlanResult FromMessage(const v1::PlanResult& message);

void ToMessage(const report::WhatIfResult& result, v1::WhatIfResult& message);
report::WhatIfResult FromMessage(const v1::WhatIfResult& message);

}  // namespace ridgeline::api

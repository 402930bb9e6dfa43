/// A plan's answer with everything that a reader or a program needs to trust and repeat it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planner/plan.h"
#include "service/report/simulation_result.h"
#include "service/report/table.h"

namespace ridgeline::report {

struct PlanResult {
  planner::Plan plan;
  uint64_t seed = 1;
  std::vector<Input> inputs = {};
};

/// In any format; ends in a newline. Depends on nothing but `result` and the build: the same answer
/// is the same bytes.
std::string Render(const PlanResult& result, OutputFormat format);

// One writer a file; Render picks.
std::string RenderText(const PlanResult& result, bool is_wide);
std::string RenderJson(const PlanResult& result);
/// One row a candidate: its rank, the searched settings, the objective and the metrics that matter
/// for its kind. Exact numbers in base units: for csv and jsonl.
Table CandidatesTable(const planner::Plan& plan);
/// "tp 4, replicas 2: 5.4 requests/s ...": one line, for remarks while the search goes on.
std::string CandidateText(const planner::Candidate& candidate);

}  // namespace ridgeline::report

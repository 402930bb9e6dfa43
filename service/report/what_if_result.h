/// A what-if's answer: the base, its variants, and what explains each difference.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planner/what_if.h"
#include "service/report/simulation_result.h"
#include "service/report/table.h"

namespace ridgeline::report {

struct WhatIfResult {
  planner::WhatIf what_if;
  uint64_t seed = 1;
  std::vector<Input> inputs = {};
};

/// In any format; ends in a newline. Depends on nothing but `result` and the build: the same answer
/// is the same bytes.
std::string Render(const WhatIfResult& result, OutputFormat format);

// One writer a file; Render picks.
std::string RenderText(const WhatIfResult& result, bool is_wide);
std::string RenderJson(const WhatIfResult& result);
/// One row for the base and one a variant, exact numbers in base units: for csv and jsonl.
Table VariantsTable(const planner::WhatIf& what_if);

}  // namespace ridgeline::report

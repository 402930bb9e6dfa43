/// The best deployment of a model for a load: `plan` of a document with a serving block.
#pragma once

#include "base/document.h"
#include "base/result.h"
#include "hardware/catalog.h"
#include "planner/plan.h"

namespace ridgeline::planner {

/// As MakePlan, for a document with a serving block.
Result<Plan> PlanServing(const Node& document, const hardware::Catalog& catalog,
                         const PlanOptions& options);

}  // namespace ridgeline::planner

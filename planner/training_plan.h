/// The best way to spread a training job: `plan` of a document with a training block.
#pragma once

#include "base/document.h"
#include "base/result.h"
#include "hardware/catalog.h"
#include "planner/plan.h"

namespace ridgeline::planner {

/// As MakePlan, for a document with a training block; the space is that of training_space.h, the
/// objectives those of objective.h.
Result<Plan> PlanTraining(const Node& document, const hardware::Catalog& catalog,
                          const PlanOptions& options);

}  // namespace ridgeline::planner

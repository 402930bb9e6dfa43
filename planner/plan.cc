#include "planner/plan.h"

#include "planner/serving_plan.h"
#include "planner/training_plan.h"

namespace ridgeline::planner {

Result<Plan> MakePlan(const Node& document, const hardware::Catalog& catalog,
                      const PlanOptions& options) {
  if (document.Find("serving") != nullptr) {
    return PlanServing(document, catalog, options);
  }
  return PlanTraining(document, catalog, options);
}

}  // namespace ridgeline::planner

#include "planner/serving_plan.h"

namespace ridgeline::planner {

Result<Plan> PlanServing(const Node&, const hardware::Catalog&, const PlanOptions&) {
  return Unimplemented("not built yet: plan for serving");
}

}  // namespace ridgeline::planner

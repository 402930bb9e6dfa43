/// The plan of a collective on links that the caller describes: at their worst cited rates, or
/// slowed by switches that others use.
#pragma once

#include "sim/network/collective_plan.h"
#include "sim/network/group_links.h"

namespace ridgeline::network {

/// As PlanOf, for a collective of two ranks or more and some bytes.
CollectivePlan PlanOnLinks(const Collective& collective, const hardware::Cluster& cluster,
                           const GroupLinks& links);

/// The time that nothing beats on them (wire_bound.h).
Seconds BoundOn(const Collective& collective, const GroupLinks& links);

}  // namespace ridgeline::network

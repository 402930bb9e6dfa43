#include "hardware/tree_plan.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "hardware/fabric_graph_builder.h"

namespace ridgeline::hardware {
namespace {

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Cables for so much of what `cables` carry; a hair above a whole number is rounding.
int64_t CablesFor(int64_t cables, double divided_by) {
  return std::max<int64_t>(
      1, std::llround(std::ceil(static_cast<double>(cables) / divided_by - 1e-9)));
}

/// The smallest divisor of `whole` that is at least `least`; 0 when there is none.
int64_t DivisorFrom(int64_t whole, int64_t least) {
  for (int64_t d = std::max<int64_t>(1, least); d <= whole; ++d) {
    if (whole % d == 0) {
      return d;
    }
  }
  return 0;
}

class TreePlanner {
 public:
  TreePlanner(const Fabric& fabric, int64_t nodes, int64_t ports_per_leaf_node,
              int64_t leaves_per_unit)
      : fabric_(fabric), nodes_(nodes), leaves_per_unit_(leaves_per_unit) {
    plan_.leaf_ports = fabric.nodes_per_leaf * ports_per_leaf_node;
    plan_.leaves = CeilDiv(nodes, fabric.nodes_per_leaf) * leaves_per_unit;
    plan_.leaves_per_pod = plan_.leaves;
  }

  Result<TreePlan> Plan() {
    if (plan_.leaves == 1 && !fabric_.spines) {
      return plan_;
    }
    plan_.uplinks = CablesFor(plan_.leaf_ports, fabric_.oversubscription);
    if (ports() > 0 && plan_.leaf_ports + plan_.uplinks > ports()) {
      return Fail(FabricError(fabric_,
                              fmt::format("a leaf of {} ports with {} cables down and {} up",
                                          ports(), plan_.leaf_ports, plan_.uplinks),
                              fmt::format("lower nodes_per_leaf, or write switch_ports: {}",
                                          plan_.leaf_ports + plan_.uplinks)));
    }
    const bool fits_two = ports() == 0 || plan_.leaves <= ports();
    const bool has_pods = fabric_.nodes_per_pod || fabric_.tiers == 3;
    if (fabric_.tiers == 2 || (!has_pods && fits_two)) {
      return TwoTiers();
    }
    return ThreeTiers();
  }

 private:
  int64_t ports() const { return fabric_.switch_ports.value_or(0); }

  tl::unexpected<Error> TooManyNodes(int tiers, int64_t most) const {
    return Fail(FabricError(
        fabric_,
        fmt::format("more nodes than switches of {} ports join in {} tiers: {}, {} at most",
                    ports(), tiers == 2 ? "two" : "three", nodes_, most),
        tiers == 2 ? "write tiers: 3, or switch_ports with more"
                   : "write switch_ports with more, or fewer nodes"));
  }

  /// Spines for `leaves` of them, each with `down` ports to leaves.
  Result<int64_t> SpinesFor(int64_t leaves, int64_t down) const {
    const int64_t cables = leaves * plan_.uplinks;
    if (fabric_.spines) {
      if (ports() > 0 && cables > *fabric_.spines * down) {
        return Fail(FabricError(
            fabric_,
            fmt::format("more cables from leaves than ports on {} spines: {}, {} at most",
                        *fabric_.spines, cables, *fabric_.spines * down),
            fmt::format("write spines: {}", CeilDiv(cables, down))));
      }
      return *fabric_.spines;
    }
    return ports() == 0 ? plan_.uplinks : DivisorFrom(plan_.uplinks, CeilDiv(cables, down));
  }

  Result<TreePlan> TwoTiers() {
    if (ports() > 0 && plan_.leaves > ports() && !fabric_.spines) {
      return TooManyNodes(2, ports() / leaves_per_unit_ * fabric_.nodes_per_leaf);
    }
    ASSIGN_OR_RETURN(plan_.spines, SpinesFor(plan_.leaves, ports()));
    return plan_;
  }

  Result<TreePlan> ThreeTiers() {
    const double over = fabric_.pod_oversubscription;
    const auto down = static_cast<int64_t>(static_cast<double>(ports()) * over / (1 + over));
    int64_t units = 0;
    if (fabric_.nodes_per_pod) {
      units = *fabric_.nodes_per_pod / fabric_.nodes_per_leaf;
    } else {
      units = std::max<int64_t>(1, down / leaves_per_unit_);
    }
    plan_.leaves_per_pod = units * leaves_per_unit_;
    plan_.pods = CeilDiv(nodes_, units * fabric_.nodes_per_leaf);
    if (ports() > 0 && plan_.leaves_per_pod > down && !fabric_.spines) {
      return Fail(FabricError(
          fabric_,
          fmt::format("a pod of more leaves than a spine of {} ports has cables down: {}, {} at "
                      "most",
                      ports(), plan_.leaves_per_pod, down),
          "lower nodes_per_pod, or write switch_ports with more"));
    }
    ASSIGN_OR_RETURN(plan_.spines, SpinesFor(plan_.leaves_per_pod, down));
    if (plan_.pods == 1) {
      return plan_;
    }
    plan_.spine_uplinks = std::max<int64_t>(1, CablesFor(plan_.leaves_per_pod * plan_.uplinks,
                                                         over * static_cast<double>(plan_.spines)));
    const int64_t pod_uplinks = plan_.spines * plan_.spine_uplinks;
    if (fabric_.cores) {
      plan_.cores = *fabric_.cores;
      if (ports() > 0 && plan_.pods * pod_uplinks > plan_.cores * ports()) {
        return Fail(FabricError(
            fabric_,
            fmt::format("more cables from pods than ports on {} cores: {}, {} at most", plan_.cores,
                        plan_.pods * pod_uplinks, plan_.cores * ports()),
            fmt::format("write cores: {}", CeilDiv(plan_.pods * pod_uplinks, ports()))));
      }
    } else if (ports() == 0) {
      plan_.cores = plan_.spine_uplinks;
    } else {
      if (plan_.pods > ports()) {
        return TooManyNodes(3, ports() * units * fabric_.nodes_per_leaf);
      }
      plan_.cores = DivisorFrom(pod_uplinks, CeilDiv(plan_.pods * pod_uplinks, ports()));
    }
    return plan_;
  }

  const Fabric& fabric_;
  int64_t nodes_;
  int64_t leaves_per_unit_;
  TreePlan plan_;
};

}  // namespace

Result<TreePlan> PlanTree(const Fabric& fabric, int64_t nodes, int64_t ports_per_leaf_node,
                          int64_t leaves_per_unit) {
  return TreePlanner(fabric, nodes, ports_per_leaf_node, leaves_per_unit).Plan();
}

}  // namespace ridgeline::hardware

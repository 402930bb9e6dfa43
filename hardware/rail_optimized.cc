// Rails: port i of every node of a unit hangs on the unit's leaf i, so that GPUs of one index reach
// each other over one switch.
#include "hardware/fabric_builders.h"
#include "hardware/tree_wiring.h"

namespace ridgeline::hardware {

Status WireRailOptimized(FabricGraphBuilder& builder) {
  const Cluster& cluster = builder.cluster();
  const auto rails = static_cast<int64_t>(builder.interior().nics.size());
  ASSIGN_OR_RETURN(const TreePlan plan, PlanTree(cluster.fabric, cluster.nodes,
                                                 builder.interior().ports_per_nic, rails));
  const TreeSwitches switches = AddTree(plan, builder);
  for (int64_t node = 0; node < cluster.nodes; ++node) {
    const int64_t unit = node / cluster.fabric.nodes_per_leaf;
    for (int64_t rail = 0; rail < rails; ++rail) {
      HangPort(node, rail, switches.leaves[static_cast<size_t>(unit * rails + rail)], builder);
    }
  }
  return {};
}

}  // namespace ridgeline::hardware

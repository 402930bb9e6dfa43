// Rails: port i of every node of a unit hangs on the unit's leaf i, so that GPUs of one index reach
// each other over one switch.
#include <fmt/format.h>

#include "hardware/fabric_builders.h"
#include "hardware/tree_wiring.h"

namespace ridgeline::hardware {

Status WireRailOptimized(FabricGraphBuilder& builder) {
  const Cluster& cluster = builder.cluster();
  const auto nics = static_cast<int64_t>(builder.interior().nics.size());
  const int64_t rails = cluster.fabric.rails.value_or(nics);
  if (nics % rails != 0) {
    return Fail(FabricError(
        cluster.fabric,
        fmt::format("{} ports of a node that {} rails do not share evenly", nics, rails),
        fmt::format("write rails: with a divisor of {}", nics)));
  }
  ASSIGN_OR_RETURN(const TreePlan plan,
                   PlanTree(cluster.fabric, cluster.nodes,
                            nics / rails * builder.interior().ports_per_nic, rails));
  const TreeSwitches switches = AddTree(plan, builder);
  for (int64_t node = 0; node < cluster.nodes; ++node) {
    const int64_t unit = node / cluster.fabric.nodes_per_leaf;
    for (int64_t nic = 0; nic < nics; ++nic) {
      HangPort(node, nic, switches.leaves[static_cast<size_t>(unit * rails + nic % rails)],
               builder);
    }
  }
  return {};
}

}  // namespace ridgeline::hardware

// The classic tree: all ports of a node hang on one leaf.
#include "hardware/fabric_builders.h"
#include "hardware/tree_wiring.h"

namespace ridgeline::hardware {

Status WireFatTree(FabricGraphBuilder& builder) {
  const Cluster& cluster = builder.cluster();
  ASSIGN_OR_RETURN(const TreePlan plan,
                   PlanTree(cluster.fabric, cluster.nodes, cluster.node.nics.count, 1));
  const TreeSwitches switches = AddTree(plan, builder);
  for (int64_t node = 0; node < cluster.nodes; ++node) {
    const auto leaf = static_cast<size_t>(node / cluster.fabric.nodes_per_leaf);
    for (size_t nic = 0; nic < builder.interior().nics.size(); ++nic) {
      HangPort(node, static_cast<int64_t>(nic), switches.leaves[leaf], builder);
    }
  }
  return {};
}

}  // namespace ridgeline::hardware

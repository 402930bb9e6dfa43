// Dragonfly+: pods (groups) of leaves and spines, each leaf joined with each spine of its group,
// and each group with every other through cables between their spines (Shpiner et al., Dragonfly+:
// Low Cost Topology for Scaling Datacenters, HiPINEB 2017). Routes are shortest: leaf, spine, spine
// of the other group, leaf; detours over a third group are not taken.
#include <algorithm>

#include <fmt/format.h>

#include "hardware/fabric_builders.h"
#include "hardware/tree_wiring.h"

namespace ridgeline::hardware {

Status WireDragonflyPlus(FabricGraphBuilder& builder) {
  const Cluster& cluster = builder.cluster();
  Fabric group = cluster.fabric;
  group.cores.reset();
  group.tiers = 3;  // spines keep ports free for other groups, as below cores
  ASSIGN_OR_RETURN(TreePlan plan, PlanTree(group, cluster.nodes, cluster.node.nics.count, 1));
  plan.cores = 0;
  const int64_t others = plan.pods - 1;
  const int64_t cables = plan.spines * plan.spine_uplinks;  // of a group, to other groups
  if (others > cables) {
    return Fail(
        FabricError(cluster.fabric,
                    fmt::format("more groups than a group has cables to: {}, {} at most", plan.pods,
                                cables + 1),
                    "write larger groups (nodes_per_pod), or a smaller pod_oversubscription"));
  }
  const TreeSwitches switches = AddTree(plan, builder);
  for (int64_t node = 0; node < cluster.nodes; ++node) {
    const auto leaf = static_cast<size_t>(node / cluster.fabric.nodes_per_leaf);
    for (size_t nic = 0; nic < builder.interior().nics.size(); ++nic) {
      HangPort(node, static_cast<int64_t>(nic), switches.leaves[leaf], builder);
    }
  }
  if (others == 0) {
    return {};
  }
  // Every pair of groups gets as many whole cables as there are for each, and all of the capacity.
  const int64_t per_pair = cables / others;
  const PortCapacity spine = SpineUplink(plan, cluster.fabric);
  const double share = static_cast<double>(plan.spines) / static_cast<double>(others * per_pair);
  const auto spine_of = [&](int64_t from, int64_t to, int64_t cable) {
    const int64_t turn = (to - from - 1 + plan.pods) % plan.pods;
    return switches
        .spines[static_cast<size_t>(from * plan.spines + (turn * per_pair + cable) % plan.spines)];
  };
  for (int64_t a = 0; a < plan.pods; ++a) {
    for (int64_t b = a + 1; b < plan.pods; ++b) {
      // Cables beyond one a spine fall on the same pair of spines again: joined in one bundle.
      for (int64_t cable = 0; cable < std::min(per_pair, plan.spines); ++cable) {
        const int64_t alike = (per_pair - cable + plan.spines - 1) / plan.spines;
        const double capacity = share * static_cast<double>(alike);
        builder.Join({.a = spine_of(a, b, cable),
                      .b = spine_of(b, a, cable),
                      .peak = spine.peak * capacity,
                      .sustained = spine.sustained * capacity,
                      .latency = cluster.fabric.hop_latency,
                      .cables = alike});
      }
    }
  }
  return {};
}

}  // namespace ridgeline::hardware

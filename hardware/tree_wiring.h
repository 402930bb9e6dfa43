/// The switches of a tree and the cables between them, for any kind that hangs its nodes below
/// leaves.
#pragma once

#include <vector>

#include "hardware/fabric_graph_builder.h"
#include "hardware/tree_plan.h"

namespace ridgeline::hardware {

struct TreeSwitches {
  std::vector<int32_t> leaves;
  std::vector<int32_t> spines;  // pod by pod
};

/// Leaves l of pod l / leaves_per_pod; cable c of the i-th leaf of a pod goes to spine (i x uplinks
/// + c) mod spines of its pod, cable c of a pod's j-th spine to core (j x spine_uplinks + c) mod
/// cores: the same in every pod, so that a spine has a way down to each pod that reaches its cores.
TreeSwitches AddTree(const TreePlan& plan, FabricGraphBuilder& builder);

/// What all cables up of one leaf carry: what its ports bring, over its oversubscription.
PortCapacity LeafUplink(const TreePlan& plan, const Fabric& fabric);
/// What all cables up of one spine carry: its share of what its pod's leaves send, over the pod's
/// oversubscription.
PortCapacity SpineUplink(const TreePlan& plan, const Fabric& fabric);

/// Cables from one switch to several, dealt in turn from the one numbered `first` on.
void Deal(int32_t from, const std::vector<int32_t>& to, int64_t first, int64_t cables,
          PortCapacity all, FabricGraphBuilder& builder);

/// A node's port hung on a leaf.
void HangPort(int64_t node, int64_t nic, int32_t leaf, FabricGraphBuilder& builder);

}  // namespace ridgeline::hardware

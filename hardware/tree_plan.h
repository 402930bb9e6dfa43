/// How many leaves, spines and cores a tree of switches has, and how many cables go up: arithmetic
/// alone, so that a test can hold it against published tables.
///
/// With switches of p ports (`switch_ports`) this is the rule of the DGX SuperPOD tables: a leaf
/// with u uplinks; in two tiers the fewest spines whose ports hold all uplinks and that deal u
/// evenly (32 uplinks and 24 leaves of 64 ports: 12 would do, 16 divide 32); beyond p leaves, pods
/// of p/2 leaves under spines that have as many ports up as down, and the fewest cores that deal a
/// pod's uplinks evenly. Without it, a leaf has one cable to each spine and a spine one to each
/// core, and spines and cores have the ports that this takes.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "hardware/fabric.h"

namespace ridgeline::hardware {

struct TreePlan {
  int64_t leaf_ports = 0;      // cables down, of a leaf with all its nodes
  int64_t leaves = 0;          // of the cluster: only those with nodes
  int64_t uplinks = 0;         // cables of a leaf; 0: one leaf is all there is
  int64_t pods = 1;            // a tree of two tiers is one pod
  int64_t leaves_per_pod = 0;  // of a full pod
  int64_t spines = 0;          // of one pod
  int64_t spine_uplinks = 0;   // cables of a spine; 0: no cores
  int64_t cores = 0;
};

/// `ports_per_leaf_node`: cables from one node to one leaf. `leaves_per_unit`: leaves that serve
/// the same nodes (rails). A leaf's last uplink may be a fraction of a cable: capacities follow the
/// oversubscription exactly, cables are rounded up.
/// Errors: a leaf or a spine with more cables than ports, more nodes than the ports join.
Result<TreePlan> PlanTree(const Fabric& fabric, int64_t nodes, int64_t ports_per_leaf_node,
                          int64_t leaves_per_unit);

}  // namespace ridgeline::hardware

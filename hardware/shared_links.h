/// Which links of a fabric flows share as one: nothing under ECMP, where a flow keeps to one cable;
/// under adaptive routing all links that packets between the same parts are sprayed over.
///
/// A *part* of tier t is what stays joined when everything above tier t is taken away: a leaf is a
/// part of tier 1; a pod, seen from its spines, one of tier 2. All links from a part to the tier
/// above are one pool, all into it another; so are those between two parts of one tier (groups of
/// a dragonfly). One rule for trees of any number of tiers, dragonflies and custom wirings; in a
/// torus every link is a pool of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "hardware/fabric_graph_builder.h"

namespace ridgeline::hardware {

struct LinkShare {
  int32_t forward = -1;   // pool of the direction a to b; -1: a resource of its own
  int32_t backward = -1;  // of b to a
  bool is_each_cable_alone = false;
  bool is_between_switches = false;
};

/// One a bundle, in the builder's order. O(bundles).
std::vector<LinkShare> ShareLinks(const FabricGraphBuilder& builder);

}  // namespace ridgeline::hardware

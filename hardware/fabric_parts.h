/// Whether a fabric hangs together.
#pragma once

#include "hardware/fabric_graph_builder.h"

namespace ridgeline::hardware {

/// Of a custom fabric, as wired: gives each switch its tier (1 where ports hang, 2 above ...).
/// Errors, each at the link or switch: a port or a switch that no link joins, and links between
/// switches of one tier that close a circle, unless the fabric allows loops: with credits or
/// pauses, packets that wait for each other round a circle wait for ever, so that fabrics without
/// loss are wired as trees.
Status CheckWiring(FabricGraphBuilder& builder);

/// After faults: every two nodes must be joined through the switches by ports of the same index
/// (rails without spines are legal: another rail is reached through the node).
/// O(vertices + links).
Status CheckJoined(const FabricGraphBuilder& builder);

}  // namespace ridgeline::hardware

/// One builder a kind of fabric: adds switches and cables above the ports that are there already.
/// Errors: more nodes than the switches' ports join, with the place of the fabric.
#pragma once

#include "hardware/fabric_graph_builder.h"

namespace ridgeline::hardware {

Status WireRailOptimized(FabricGraphBuilder& builder);
Status WireFatTree(FabricGraphBuilder& builder);
Status WireDragonflyPlus(FabricGraphBuilder& builder);
Status WireTorus(FabricGraphBuilder& builder);
Status WireCustom(FabricGraphBuilder& builder);

}  // namespace ridgeline::hardware

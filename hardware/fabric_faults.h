/// What is broken: takes links and switches out of a fabric, or narrows them.
#pragma once

#include "hardware/fabric_graph_builder.h"

namespace ridgeline::hardware {

/// Errors, each at the fault's own place: an unknown part (with the nearest name), two parts that
/// no link joins, a link that would have more than it was built with.
Status ApplyFaults(FabricGraphBuilder& builder);

}  // namespace ridgeline::hardware

/// A cluster's wiring as a picture, in Graphviz' language.
#pragma once

#include <string>

#include "hardware/fabric_graph.h"

namespace ridgeline::hardware {

/// Tiers from the cores down to the GPUs of a node; parts that are alike drawn once with their
/// number, so that any cluster fits a page; each cable bundle with what it carries, each switch
/// with its oversubscription. A fabric of few switches is drawn switch by switch, a node alone GPU
/// by GPU. The same bytes for the same cluster. `graph` must be that of `cluster`.
std::string DrawDot(const Cluster& cluster, const FabricGraph& graph);

}  // namespace ridgeline::hardware

/// A small cluster on a fabric: what `describe fabric` draws and `check` builds, as a fabric alone
/// has no nodes.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "hardware/catalog.h"

namespace ridgeline::hardware {

/// The catalog's node that suits the fabric best (ports of its speed, one a GPU, as many as its
/// leaves hold; the first of several by name), as often as shows every tier: two leaves of a tree,
/// two pods where it has pods, three groups of a dragonfly, all places of a torus, all nodes that a
/// custom wiring names. `nodes` overrides the count.
Result<Cluster> SampleCluster(const Catalog& catalog, const Fabric& fabric,
                              std::optional<int64_t> nodes = std::nullopt);

}  // namespace ridgeline::hardware

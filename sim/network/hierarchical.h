/// Collectives in two levels: inside each node, and between the nodes' ranks of equal index.
///
/// All-reduce of S: reduce-scatter inside (each rank holds S/g), all-reduce of S/g over the N ranks
/// of equal index, all-gather inside. Only 2 (N - 1) of the steps pay the network's latency, and
/// each NIC carries 2 (N - 1)/N S/g; but the levels follow one another, so a ring over all ranks
/// has the better asymptote (its two kinds of links work at once). All-gather: S/g over the nodes,
/// then inside; reduce-scatter the same backwards.
///
/// The levels are given by their times, because the caller chooses algorithm and protocol for each.
#pragma once

#include "base/units.h"
#include "sim/network/group_shape.h"

namespace ridgeline::network {

/// The ranks of one node.
constexpr GroupShape InsideOf(const GroupShape& shape) {
  return {.ranks = shape.per_node, .nodes = 1, .per_node = shape.per_node};
}
/// One rank of every node.
constexpr GroupShape AcrossOf(const GroupShape& shape) {
  return {.ranks = shape.nodes, .nodes = shape.nodes, .per_node = 1};
}

/// What each rank brings to the level between nodes, of a full buffer of `size`.
constexpr Bytes AcrossSize(const GroupShape& shape, Bytes size) { return size / shape.per_node; }

/// True when there are two levels to speak of.
constexpr bool HasTwoLevels(const GroupShape& shape) {
  return shape.nodes > 1 && shape.per_node > 1;
}

}  // namespace ridgeline::network

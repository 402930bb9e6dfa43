/// How a group of ranks lies over nodes, as the closed forms of this folder see it.
#pragma once

#include <algorithm>

#include "base/operation.h"

namespace ridgeline::network {

/// Counts are doubles because the formulas divide them; they are whole numbers.
struct GroupShape {
  double ranks = 1;     // n
  double nodes = 1;     // N, the last one perhaps not full
  double per_node = 1;  // g, of a full node

  bool is_one_node() const { return nodes == 1; }
};

constexpr GroupShape ShapeOf(const RankGroup& group) {
  const int64_t ranks = std::max<int64_t>(group.ranks, 1);
  const int64_t per_node = std::clamp<int64_t>(group.ranks_per_node, 1, ranks);
  return {.ranks = static_cast<double>(ranks),
          .nodes = static_cast<double>((ranks + per_node - 1) / per_node),
          .per_node = static_cast<double>(per_node)};
}

}  // namespace ridgeline::network

#include "sim/network/wire_bound.h"

#include <algorithm>

#include "sim/network/group_shape.h"

namespace ridgeline::network {

Seconds WireBound(const Collective& collective, const WirePeaks& peaks) {
  const GroupShape shape = ShapeOf(collective.group);
  if (shape.ranks <= 1) {
    return {};
  }
  const double of_ranks = (shape.ranks - 1) / shape.ranks;
  const double of_nodes = (shape.nodes - 1) / shape.nodes;
  // Shares of the buffer that must pass one rank's ports, and one node's NICs.
  double rank = 0;
  double node = 0;
  switch (collective.kind) {
    case CollectiveKind::kAllReduce:
      rank = peaks.in_switch_reduction || peaks.in_fabric_reduction ? 1 : 2 * of_ranks;
      node = peaks.in_fabric_reduction ? 1 : 2 * of_nodes;
      break;
    case CollectiveKind::kAllGather:
    case CollectiveKind::kReduceScatter:
      rank = of_ranks;
      node = of_nodes;
      break;
    case CollectiveKind::kAllToAll:
      rank = of_ranks;
      node = shape.per_node * (shape.ranks - shape.per_node) / shape.ranks;
      break;
    case CollectiveKind::kBroadcast:
    case CollectiveKind::kSend:
      rank = 1;
      node = 1;
      break;
  }
  if (shape.is_one_node()) {
    return rank * collective.bytes / peaks.inside;
  }
  const BytesPerSecond ports = shape.per_node == 1 ? peaks.across : peaks.inside + peaks.across;
  // One message has one rank's NIC; the rest may use all that the node's ranks share.
  const double shares = collective.kind == CollectiveKind::kSend ? 1 : shape.per_node;
  return std::max(rank * collective.bytes / ports,
                  node * collective.bytes / (shares * peaks.across));
}

}  // namespace ridgeline::network

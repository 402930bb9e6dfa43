#include "sim/network/tree.h"

#include <algorithm>
#include <cmath>

namespace ridgeline::network {

double LevelsOf(const GroupShape& shape) { return std::floor(std::log2(shape.nodes)); }

AffineTime TreeTime(CollectiveProtocol protocol, const ChannelGraph& graph,
                    const GroupLinks& links) {
  const GroupShape& shape = links.shape;
  const hardware::LibraryShares& shares = links.library->shares;
  const hardware::StepCosts& costs = *links.library->latencies.tree.In(protocol);
  BytesPerSecond bus = std::min(graph.bus() * shares.tree,
                                graph.channels * CeilingOf(links.generation->tree_channel, shape));
  if (protocol == CollectiveProtocol::kLl) {
    bus = std::min(bus * shares.tree_ll, LowLatencyCeiling(links));
  } else if (protocol == CollectiveProtocol::kLl128) {
    bus =
        std::min(bus * (shape.is_one_node() ? shares.tree_ll128_one_node : shares.tree_ll128_nodes),
                 graph.channels * CeilingOf(links.generation->tree_ll128_channel, shape));
  }
  return {
      .latency = costs.base + 2 * ((shape.per_node - 1) * InsideStep(costs, links) +
                                   LevelsOf(shape) * AcrossStep(costs.network, protocol, links)),
      .rate = bus / 2};
}

}  // namespace ridgeline::network

#include "sim/network/ring.h"

#include <algorithm>

namespace ridgeline::network {
namespace {

BytesPerSecond BusOf(CollectiveProtocol protocol, const ChannelGraph& graph,
                     const GroupLinks& links) {
  const hardware::LibraryShares& shares = links.library->shares;
  switch (protocol) {
    case CollectiveProtocol::kLl:
      return std::min(LowLatencyCeiling(links), graph.bus() * shares.ring_ll);
    case CollectiveProtocol::kLl128:
      return std::min(
          graph.bus() * (links.shape.per_node < 2 ? shares.ring_ll128_one_rank : shares.ring_ll128),
          graph.channels * CeilingOf(links.generation->ring_ll128_channel, links.shape));
    case CollectiveProtocol::kSimple:
    case CollectiveProtocol::kChosen:
      break;
  }
  return graph.bus();
}

}  // namespace

AffineTime RingTime(CollectiveKind kind, CollectiveProtocol protocol, const ChannelGraph& graph,
                    const GroupLinks& links) {
  const GroupShape& shape = links.shape;
  const hardware::LibraryLatencies& latencies = links.library->latencies;
  const hardware::StepCosts& costs = *latencies.ring.In(protocol);
  // With one rank a node nothing hides a step: NCCL takes the trees' latency.
  const auto& tree = latencies.tree.In(protocol);
  const Seconds network = shape.per_node == 1 && tree ? tree->network : costs.network;
  const Seconds across = AcrossStep(network, protocol, links);
  Seconds inside = InsideStep(costs, links);
  const BytesPerSecond bus = BusOf(protocol, graph, links);
  if (kind == CollectiveKind::kBroadcast) {
    return {
        .latency = costs.base + (shape.ranks - shape.nodes) * inside + (shape.nodes - 1) * across,
        .rate = bus};
  }
  const double turns = kind == CollectiveKind::kAllReduce ? 2 : 1;
  const double steps = turns * (shape.ranks - 1);
  double crossing = 0;
  if (!shape.is_one_node()) {
    const bool is_every = links.library->ring_crosses_every_node;
    crossing = std::min(steps, turns * (is_every ? shape.nodes : shape.nodes - 1));
    // The host that serves the NICs sets the pace of the steps between its GPUs as well.
    const double waits =
        protocol == CollectiveProtocol::kSimple ? links.library->simple_overhead : 1.0;
    inside = std::max(inside, waits * links.host->overhead);
  }
  return {.latency = costs.base + (steps - crossing) * inside + crossing * across,
          .rate = bus * (shape.ranks / steps)};
}

}  // namespace ridgeline::network

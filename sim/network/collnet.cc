#include "sim/network/collnet.h"

#include <algorithm>

namespace ridgeline::network {

AffineTime CollNetDirectTime(CollectiveKind kind, const ChannelGraph& ports,
                             const GroupLinks& links) {
  const double g = links.shape.per_node;
  const hardware::StepCosts& costs = *links.library->latencies.collnet_direct.simple;
  const Seconds latency = costs.base +
                          2 * (std::min(1.0, g - 1) * InsideStep(costs, links) +
                               (g - 1) * links.library->collnet_arity) +
                          AcrossStep(costs.network, CollectiveProtocol::kSimple, links);
  if (kind != CollectiveKind::kAllReduce) {
    return {
        .latency = latency,
        .rate = g * std::min(ports.each, ports.each * links.library->shares.collnet_gather_across)};
  }
  double gpus_a_port = g / ports.channels;
  gpus_a_port -= (gpus_a_port - 1) / 2;
  return {.latency = latency,
          .rate = ports.bus() * (links.generation->collnet_direct_share / gpus_a_port / 2)};
}

AffineTime CollNetChainTime(const ChannelGraph& ports, const GroupLinks& links) {
  const hardware::StepCosts& costs = *links.library->latencies.collnet_chain.simple;
  return {.latency = costs.base + 2 * (links.shape.per_node - 1) * InsideStep(costs, links) +
                     AcrossStep(costs.network, CollectiveProtocol::kSimple, links),
          .rate = ports.bus() / 2};
}

}  // namespace ridgeline::network

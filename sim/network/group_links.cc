#include "sim/network/group_links.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace ridgeline::network {

GroupLinks LinksOf(const hardware::Cluster& cluster, const GroupShape& shape, LinkRates rates) {
  CHECK(cluster.collectives != nullptr, "{} has no collective library", cluster.name);
  GroupLinks links;
  links.shape = shape;
  links.inside = InsidePort(cluster, shape.per_node);
  links.rates = rates;
  links.library = cluster.collectives.get();
  links.generation = &links.library->GenerationOf(cluster.gpu.architecture);
  links.host = &links.library->HostInUse();
  links.has_nvswitch = cluster.node.intra == hardware::IntraNodeLink::kNvSwitch;
  links.switches_add = cluster.node.in_switch_reduction && links.inside.is_nvlink &&
                       links.generation->nvls_share > 0;
  if (shape.is_one_node()) {
    return links;
  }
  const auto gpus = static_cast<double>(cluster.node.gpus);
  const auto nics = static_cast<double>(cluster.node.nics.count);
  links.across = AcrossPort(cluster);
  links.port = links.across.mean * (gpus / nics);
  links.ports = shape.per_node * nics / gpus;
  links.excess =
      std::max(Seconds{}, cluster.fabric.latency - links.library->assumed_network_latency);
  links.has_rails = cluster.fabric.kind == hardware::FabricKind::kRailOptimized;
  // From a leaf up to a spine and down to another leaf.
  links.between_rails = 2 * cluster.fabric.hop_latency;
  links.fabric_adds = cluster.network.sharp;
  links.forwards_to_rail = cluster.network.pxn && links.inside.is_nvlink && shape.per_node > 1;
  return links;
}

GroupLinks LinksOf(const hardware::Cluster& cluster, const RankGroup& group, LinkRates rates) {
  return LinksOf(cluster, ShapeOf(group), rates);
}

Seconds InsideStep(const hardware::StepCosts& costs, const GroupLinks& links) {
  return links.inside.is_nvlink ? costs.nvlink : costs.pcie;
}

Seconds AcrossStep(Seconds network, CollectiveProtocol protocol, const GroupLinks& links) {
  return network + (protocol == CollectiveProtocol::kSimple ? 2 : 1) * links.excess;
}

BytesPerSecond CeilingOf(const hardware::ChannelCeiling& ceiling, const GroupShape& shape) {
  const BytesPerSecond most = shape.nodes > 2   ? ceiling.more_nodes
                              : shape.nodes > 1 ? ceiling.two_nodes
                                                : ceiling.one_node;
  return BytesPerSecond{} < most
             ? most
             : BytesPerSecond::FromBase(std::numeric_limits<double>::infinity());
}

BytesPerSecond LowLatencyCeiling(const GroupLinks& links) {
  return links.shape.nodes > 2   ? links.host->ll_more_nodes
         : links.shape.nodes > 1 ? links.host->ll_two_nodes
                                 : links.generation->ll_most;
}

}  // namespace ridgeline::network

#include "sim/network/traffic_writer.h"

#include <algorithm>
#include <utility>

namespace ridgeline::network {
namespace {

std::vector<double> CapacitiesOf(const hardware::FabricGraph& graph) {
  std::vector<double> capacity;
  capacity.reserve(graph.resources().size());
  for (const hardware::FabricResource& resource : graph.resources()) {
    capacity.push_back(resource.sustained.base());
  }
  return capacity;
}

hardware::RouteOptions OptionsOf(const hardware::Cluster& cluster, bool pxn) {
  return {.pxn = pxn, .seed = static_cast<uint64_t>(cluster.network.seed)};
}

}  // namespace

TrafficWriter::TrafficWriter(const hardware::FabricGraph& graph, const hardware::Cluster& cluster,
                             SwitchLimits limits)
    : graph_(graph),
      limits_(limits),
      aligned_(graph, OptionsOf(cluster, true)),
      as_set_(graph, OptionsOf(cluster, cluster.network.pxn)),
      gpus_per_node_(cluster.node.gpus),
      rails_(std::clamp<int64_t>(cluster.node.nics.count, 1, cluster.node.gpus)),
      queue_pairs_(limits == SwitchLimits::kReal &&
                           cluster.fabric.routing == hardware::FabricRouting::kEcmp
                       ? cluster.fabric.queue_pairs
                       : 1),
      traffic_(CapacitiesOf(graph)) {}

engine::FlowSpec TrafficWriter::SpecOf(double bytes, bool is_first) const {
  return {.bytes = bytes,
          .start = is_first ? beginning_.start : 0,
          .delay = is_first ? beginning_.delay : 0};
}

engine::FlowIndex TrafficWriter::AddAlong(GpuIndex from, GpuIndex to, double bytes,
                                          uint64_t connection,
                                          std::span<const engine::FlowIndex> after, RailRule rule) {
  const hardware::FabricRouter& router = rule == RailRule::kAligned ? aligned_ : as_set_;
  route_.clear();
  router.AppendRoute(from, to, connection, route_);
  if (limits_ == SwitchLimits::kNone) {
    std::erase_if(route_, [this](int32_t resource) {
      return graph_.resources()[static_cast<size_t>(resource)].is_between_switches;
    });
  }
  const bool is_first = after.empty();
  return traffic_.AddFlow(SpecOf(bytes, is_first), std::span<const engine::LinkIndex>(route_),
                          is_first ? std::span<const engine::FlowIndex>(beginning_.after) : after);
}

engine::FlowIndex TrafficWriter::Add(GpuIndex from, GpuIndex to, double bytes, int64_t channel,
                                     std::span<const engine::FlowIndex> after, RailRule rule) {
  const int64_t pairs = from / gpus_per_node_ == to / gpus_per_node_ ? 1 : queue_pairs_;
  // Any number that differs between connections: the router hashes it.
  const uint64_t connection = ((static_cast<uint64_t>(from) << 40) ^
                               (static_cast<uint64_t>(to) << 16) ^ static_cast<uint64_t>(channel)) *
                              static_cast<uint64_t>(pairs);
  if (pairs == 1) {
    return AddAlong(from, to, bytes, connection, after, rule);
  }
  std::vector<engine::FlowIndex> flows;
  for (int64_t pair = 0; pair < pairs; ++pair) {
    flows.push_back(AddAlong(from, to, bytes / static_cast<double>(pairs),
                             connection + static_cast<uint64_t>(pair), after, rule));
  }
  return AddGate(flows);
}

engine::FlowIndex TrafficWriter::AddGate(std::span<const engine::FlowIndex> after) {
  return traffic_.AddFlow(
      SpecOf(0.0, after.empty()), std::span<const engine::LinkIndex>(),
      after.empty() ? std::span<const engine::FlowIndex>(beginning_.after) : after);
}

}  // namespace ridgeline::network

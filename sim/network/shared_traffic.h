/// Items of traffic that share one fabric: collectives of several jobs, transfers of KV caches
/// beside them. Written as one Traffic, so that any runner executes it, and read back item by item.
///
/// An item's flows begin at its start, after its plan's latency and ramp (a delay, never on a
/// link), and carry so many bytes that alone, with no limit between switches, they take the plan's
/// wire: the volumes of collective_traffic.h or of the transfer over the protocol's share of the
/// links. Unlike a job's collectives (flow_collectives.h) an item is one group, not all that fill
/// the cluster. Repetitions follow one another: the next begins when the last flow of one has
/// ended.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/evidence.h"
#include "base/operation.h"
#include "base/result.h"
#include "hardware/cluster.h"
#include "hardware/fabric_graph.h"
#include "sim/engine/traffic.h"
#include "sim/network/collective_traffic.h"
#include "sim/network/placement.h"
#include "workloads/traffic_item.h"

namespace ridgeline::network {

/// The GPUs of a set, node by node. Errors: kInvalidArgument beyond the cluster.
Result<GroupGpus> GpusOf(const workloads::GpuSet& set, const hardware::Cluster& cluster);

/// The item as a collective of its group: what a plan is of. Not for transfers.
Collective CollectiveOf(const workloads::TrafficItem& item, const hardware::Cluster& cluster);

/// What a collective takes alone, where more is known than its plan says (measured tables).
using PriceOf = std::function<Result<Cost>(const Collective&)>;

/// When one repetition began (latency included) and its last byte arrived.
struct ItemRun {
  Seconds begin;
  Seconds end;
};

struct PlannedItem {
  CollectiveAlgorithm algorithm = CollectiveAlgorithm::kPairwise;
  Seconds latency;              // of each repetition, before the first byte
  std::vector<FlowRange> runs;  // flows of each
};

struct TrafficPlan {
  engine::Traffic traffic;
  std::vector<PlannedItem> items;  // in the order given
};

/// `runner` finds what an item takes alone. Errors: GPUs beyond the cluster, paired transfers of
/// unequal sides or to oneself, more than kMostFlows, those of AppendCollective and of the runner.
Result<TrafficPlan> PlanTraffic(std::span<const workloads::TrafficItem> items,
                                const hardware::Cluster& cluster,
                                const hardware::FabricGraph& graph,
                                const engine::TrafficRunner& runner, bool merges_classes,
                                const Stop& stop, const PriceOf& price = {});

/// Each item's repetitions, from the times of the plan's flows.
std::vector<std::vector<ItemRun>> RunsOf(const TrafficPlan& plan, const engine::FlowTimes& times,
                                         std::span<const workloads::TrafficItem> items);

/// Plans, runs (by classes where `merges_classes`) and reads back. One item gives what it takes
/// with the fabric to itself.
Result<std::vector<std::vector<ItemRun>>> RunTraffic(std::span<const workloads::TrafficItem> items,
                                                     const hardware::Cluster& cluster,
                                                     const hardware::FabricGraph& graph,
                                                     const engine::TrafficRunner& runner,
                                                     bool merges_classes, const Stop& stop,
                                                     const PriceOf& price = {});

}  // namespace ridgeline::network

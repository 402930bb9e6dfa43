/// Writes flows between GPUs as traffic over a fabric's resources: link i of the traffic is
/// resource i of the graph, at the rate that NCCL sustains.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hardware/fabric_graph.h"
#include "hardware/fabric_router.h"
#include "sim/engine/traffic.h"
#include "sim/network/placement.h"

namespace ridgeline::network {

/// Whether links between the fabric's switches limit flows, or only ports of GPUs and nodes do.
enum class SwitchLimits { kReal, kNone };

/// How a message to another node's GPU on another rail gets there.
enum class RailRule {
  kAligned,  // over NVLink to the GPU of that rail, whatever the settings: rings and trees, whose
             // channels keep to one NIC a node
  kAsSet     // as the cluster's settings say (PXN): messages of any rank to any
};

class TrafficWriter {
 public:
  /// Keeps a reference to `graph`.
  TrafficWriter(const hardware::FabricGraph& graph, const hardware::Cluster& cluster,
                SwitchLimits limits);

  /// What every flow waits for that waits for no other: an instant, other flows, a delay.
  struct Beginning {
    engine::Picoseconds start = 0;
    engine::Picoseconds delay = 0;
    std::vector<engine::FlowIndex> after = {};
  };
  void BeginAt(Beginning beginning) { beginning_ = std::move(beginning); }

  /// `channel` tells parallel connections of a pair apart: each has a path of its own under ECMP.
  /// Where a fabric spreads a connection over several queue pairs, each is a flow with a path of
  /// its own, and what is returned is a gate that ends with the last of them.
  engine::FlowIndex Add(GpuIndex from, GpuIndex to, double bytes, int64_t channel,
                        std::span<const engine::FlowIndex> after = {},
                        RailRule rule = RailRule::kAligned);

  /// A flow of no bytes that ends when all others have: what many wait for that wait for many.
  engine::FlowIndex AddGate(std::span<const engine::FlowIndex> after);

  int64_t gpus_per_node() const { return gpus_per_node_; }
  /// Which of its node's NICs a GPU sends through.
  int64_t RailOf(GpuIndex gpu) const { return gpu % gpus_per_node_ * rails_ / gpus_per_node_; }
  int64_t queue_pairs() const { return queue_pairs_; }
  engine::FlowIndex num_flows() const {
    return static_cast<engine::FlowIndex>(traffic_.num_flows());
  }
  const engine::Traffic& traffic() const { return traffic_; }
  engine::Traffic Take() && { return std::move(traffic_); }

 private:
  engine::FlowSpec SpecOf(double bytes, bool is_first) const;
  engine::FlowIndex AddAlong(GpuIndex from, GpuIndex to, double bytes, uint64_t connection,
                             std::span<const engine::FlowIndex> after, RailRule rule);

  const hardware::FabricGraph& graph_;
  SwitchLimits limits_;
  hardware::FabricRouter aligned_;
  hardware::FabricRouter as_set_;
  int64_t gpus_per_node_;
  int64_t rails_;
  int64_t queue_pairs_;  // of a connection between nodes
  engine::Traffic traffic_;
  Beginning beginning_;
  std::vector<int32_t> route_;
};

}  // namespace ridgeline::network

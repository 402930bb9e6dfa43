/// Flows of trees, and of reductions in switches (collective_traffic.h says what each carries).
#pragma once

#include <cstdint>

#include "sim/network/placement.h"
#include "sim/network/traffic_writer.h"

namespace ridgeline::network {

/// Chains in the nodes and double trees between. chunks > 0: so many pieces up to the root and down
/// again, each rank forwarding a piece when it has it from all children (or from its parent) and
/// has sent the piece before.
void AppendTrees(const GroupGpus& group, double bytes, int64_t chunks, TrafficWriter& writer);

/// The double trees over the nodes alone.
void AppendTreesBetweenNodes(const GroupGpus& group, double bytes, TrafficWriter& writer);

/// NVLS: what each port in a node carries when its switches add and multicast.
void AppendInSwitch(const GroupGpus& group, bool is_all_reduce, double bytes,
                    TrafficWriter& writer);

/// SHARP: what each rail carries between nodes when the fabric's switches add.
void AppendBetweenSwitches(const GroupGpus& group, double bytes, TrafficWriter& writer);

/// Equal parts of `bytes` from each GPU of a node to each other one.
void AppendDirectInNodes(const GroupGpus& group, double bytes, TrafficWriter& writer);

/// Along a chain through each node, up and down.
void AppendChainsInNodes(const GroupGpus& group, double bytes, TrafficWriter& writer);

/// PAT of a gathered (or scattered) buffer.
void AppendAggregatedTrees(const GroupGpus& group, double bytes, TrafficWriter& writer);

}  // namespace ridgeline::network

/// A group as its channels see it: one a rail, each going through every node in an order of its
/// own.
#pragma once

#include <vector>

#include "sim/network/placement.h"
#include "sim/network/traffic_writer.h"

namespace ridgeline::network {

/// A channel's GPUs, node by node, in each node from the one that data enters at to the one that it
/// leaves from.
struct Channel {
  int64_t index = 0;
  std::vector<std::vector<GpuIndex>> nodes;
};

/// One channel a rail that the group's first node uses; a single one on one node. In each node the
/// channel begins at a GPU of its rail, and ends at another of the same rail where there is one;
/// otherwise at its neighbour, from which NVLink leads to the rail's GPU.
std::vector<Channel> ChannelsOf(const GroupGpus& group, const TrafficWriter& writer);

/// All GPUs of a channel, one after the other.
std::vector<GpuIndex> RingOf(const Channel& channel);

}  // namespace ridgeline::network

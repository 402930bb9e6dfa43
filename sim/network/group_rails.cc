#include "sim/network/group_rails.h"

#include <algorithm>
#include <cstddef>

namespace ridgeline::network {
namespace {

/// The GPUs rotated to begin on the rail: at the second of those it serves, so that the last is the
/// first of them, or at the only one. A node without a GPU on the rail is rotated by its number.
std::vector<GpuIndex> Rotated(const std::vector<GpuIndex>& gpus, int64_t rail,
                              const TrafficWriter& writer) {
  std::vector<size_t> on_rail;
  for (size_t i = 0; i < gpus.size(); ++i) {
    if (writer.RailOf(gpus[i]) == rail) {
      on_rail.push_back(i);
    }
  }
  const size_t first = on_rail.empty()       ? static_cast<size_t>(rail) % gpus.size()
                       : on_rail.size() == 1 ? on_rail[0]
                                             : on_rail[1];
  std::vector<GpuIndex> rotated = gpus;
  std::rotate(rotated.begin(), rotated.begin() + static_cast<ptrdiff_t>(first), rotated.end());
  return rotated;
}

}  // namespace

std::vector<Channel> ChannelsOf(const GroupGpus& group, const TrafficWriter& writer) {
  const std::vector<NodeGpus> nodes = ByNode(group, writer.gpus_per_node());
  std::vector<Channel> channels;
  if (nodes.size() <= 1) {
    channels.push_back({.index = 0, .nodes = {group}});
    return channels;
  }
  for (const GpuIndex gpu : nodes.front().gpus) {
    const int64_t rail = writer.RailOf(gpu);
    if (std::any_of(channels.begin(), channels.end(),
                    [&](const Channel& channel) { return channel.index == rail; })) {
      continue;
    }
    Channel& channel = channels.emplace_back();
    channel.index = rail;
    channel.nodes.reserve(nodes.size());
    for (const NodeGpus& node : nodes) {
      channel.nodes.push_back(Rotated(node.gpus, rail, writer));
    }
  }
  return channels;
}

std::vector<GpuIndex> RingOf(const Channel& channel) {
  std::vector<GpuIndex> ring;
  for (const std::vector<GpuIndex>& node : channel.nodes) {
    ring.insert(ring.end(), node.begin(), node.end());
  }
  return ring;
}

}  // namespace ridgeline::network

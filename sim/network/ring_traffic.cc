#include "sim/network/ring_traffic.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

#include "sim/network/group_rails.h"

namespace ridgeline::network {
namespace {

using engine::FlowIndex;

/// Flows that end at or leave each GPU: what its next phase waits for.
using LastFlows = std::unordered_map<GpuIndex, std::vector<FlowIndex>>;

/// One phase of a ring on a rail of its own; every hop waits for what its sender did before.
void AppendPhase(const std::vector<GpuIndex>& ring, double hop_bytes, const LastFlows& before,
                 LastFlows& done, TrafficWriter& writer) {
  if (ring.size() <= 1) {
    if (const auto found = before.find(ring.front()); found != before.end()) {
      done[ring.front()] = found->second;
    }
    return;
  }
  for (size_t i = 0; i < ring.size(); ++i) {
    const GpuIndex from = ring[i];
    const GpuIndex to = ring[(i + 1) % ring.size()];
    const auto found = before.find(from);
    const FlowIndex flow =
        writer.Add(from, to, hop_bytes, writer.RailOf(from),
                   found == before.end() ? std::vector<FlowIndex>{} : found->second);
    done[from].push_back(flow);
    done[to].push_back(flow);
  }
}

}  // namespace

void AppendRings(const GroupGpus& group, double hop_bytes, TrafficWriter& writer) {
  const std::vector<Channel> channels = ChannelsOf(group, writer);
  for (const Channel& channel : channels) {
    const std::vector<GpuIndex> ring = RingOf(channel);
    for (size_t i = 0; i < ring.size(); ++i) {
      writer.Add(ring[i], ring[(i + 1) % ring.size()],
                 hop_bytes / static_cast<double>(channels.size()), channel.index);
    }
  }
}

void AppendRingBroadcast(const GroupGpus& group, double bytes, TrafficWriter& writer) {
  const std::vector<Channel> channels = ChannelsOf(group, writer);
  for (const Channel& channel : channels) {
    std::vector<GpuIndex> ring = RingOf(channel);
    std::rotate(ring.begin(), std::find(ring.begin(), ring.end(), group.front()), ring.end());
    for (size_t i = 0; i + 1 < ring.size(); ++i) {
      writer.Add(ring[i], ring[i + 1], bytes / static_cast<double>(channels.size()), channel.index);
    }
  }
}

void AppendRingSteps(const GroupGpus& group, double bytes, bool is_all_reduce,
                     TrafficWriter& writer) {
  const std::vector<Channel> channels = ChannelsOf(group, writer);
  const size_t ranks = group.size();
  const double part = bytes / static_cast<double>(ranks) / static_cast<double>(channels.size());
  const size_t steps = (is_all_reduce ? 2 : 1) * (ranks - 1);
  std::vector<FlowIndex> before(ranks);  // what each rank sent in the last step
  std::vector<FlowIndex> now(ranks);
  for (const Channel& channel : channels) {
    const std::vector<GpuIndex> ring = RingOf(channel);
    for (size_t step = 0; step < steps; ++step) {
      for (size_t i = 0; i < ranks; ++i) {
        const std::array<FlowIndex, 2> waits = {before[i], before[(i + ranks - 1) % ranks]};
        now[i] = writer.Add(ring[i], ring[(i + 1) % ranks], part, channel.index,
                            step == 0 ? std::span<const FlowIndex>() : waits);
      }
      std::swap(before, now);
    }
  }
}

void AppendHierarchical(const GroupGpus& group, CollectiveKind kind, double bytes,
                        TrafficWriter& writer) {
  const std::vector<NodeGpus> nodes = ByNode(group, writer.gpus_per_node());
  size_t per_node = 0;
  for (const NodeGpus& node : nodes) {
    per_node = std::max(per_node, node.gpus.size());
  }
  const auto g = static_cast<double>(per_node);
  const auto count = static_cast<double>(nodes.size());
  const auto in_nodes = [&](const LastFlows& before) {
    LastFlows done;
    for (const NodeGpus& node : nodes) {
      AppendPhase(node.gpus, (g - 1) / g * bytes, before, done, writer);
    }
    return done;
  };
  const auto between = [&](const LastFlows& before) {
    const double turns = kind == CollectiveKind::kAllReduce ? 2 : 1;
    LastFlows done;
    for (size_t i = 0; i < per_node; ++i) {
      std::vector<GpuIndex> ring;
      for (const NodeGpus& node : nodes) {
        if (i < node.gpus.size()) {
          ring.push_back(node.gpus[i]);
        }
      }
      AppendPhase(ring, turns * (count - 1) / count * bytes / g, before, done, writer);
    }
    return done;
  };
  switch (kind) {
    case CollectiveKind::kAllGather:
      in_nodes(between({}));
      break;
    case CollectiveKind::kReduceScatter:
      between(in_nodes({}));
      break;
    default:
      in_nodes(between(in_nodes({})));
      break;
  }
}

}  // namespace ridgeline::network

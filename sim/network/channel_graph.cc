#include "sim/network/channel_graph.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace ridgeline::network {
namespace {

constexpr int kManyChannels = 4;
constexpr int kUnsearchedChannels = 2;
constexpr double kSlowestTried = 0.49;
constexpr double kRoundingSlack = 1 + 1e-9;  // a port of 48 holds a channel of 48

int Fitting(BytesPerSecond capacity, BytesPerSecond rate) {
  return static_cast<int>(std::floor(capacity / rate * kRoundingSlack));
}

/// `counted`: channels of a rate that fit. The search goes on to slower rates than the one it found
/// while they are not below half of it.
template <class F>
ChannelGraph Best(const std::vector<BytesPerSecond>& rates, int most, F counted) {
  ChannelGraph best;
  for (const BytesPerSecond rate : rates) {
    if (best.channels > 0 && rate < kSlowestTried * best.each) {
      break;
    }
    const ChannelGraph graph{.channels = std::min(counted(rate), most), .each = rate};
    if (best.bus() < graph.bus()) {
      best = graph;
    }
  }
  return best;
}

ChannelGraph Doubled(ChannelGraph graph, const GroupLinks& links) {
  const hardware::LibraryGeneration& generation = *links.generation;
  const bool is_fast =
      !(graph.each < generation.doubles_from) &&
      (graph.channels <= kManyChannels || !(graph.each < generation.doubles_many_from));
  if (is_fast && 2 * graph.channels <= links.library->channels.most / 2) {
    graph.channels *= 2;
    graph.each = graph.each / 2;
  }
  return graph;
}

/// Ports that hold channels: whole ones; less than one port is one slower port.
struct Ports {
  int count = 1;
  BytesPerSecond rate;
};
Ports PortsOf(const GroupLinks& links) {
  const int count = std::max(1, static_cast<int>(std::floor(links.ports * kRoundingSlack)));
  return {.count = count, .rate = links.port_rate() * (links.ports / count)};
}

}  // namespace

ChannelGraph RingGraph(const GroupLinks& links) {
  const int most = links.library->channels.most / 2;  // kernels run twice as many
  if (links.shape.is_one_node()) {
    if (!links.inside.is_nvlink) {
      return {.channels = kUnsearchedChannels, .each = links.inside_rate() / kUnsearchedChannels};
    }
    return Doubled(Best(links.generation->speeds_inside, most,
                        [&](BytesPerSecond rate) { return Fitting(links.inside_rate(), rate); }),
                   links);
  }
  const bool has_inside = links.shape.per_node > 1;
  if (has_inside && !links.inside.is_nvlink) {
    const BytesPerSecond bus =
        std::min(links.inside_rate(), links.shape.per_node * links.across_rate());
    return {.channels = kUnsearchedChannels, .each = bus / kUnsearchedChannels};
  }
  const Ports ports = PortsOf(links);
  ChannelGraph graph = Best(links.generation->speeds_across, most, [&](BytesPerSecond rate) {
    const int across = ports.count * Fitting(ports.rate, rate);
    return has_inside ? std::min(across, Fitting(links.inside_rate(), rate)) : across;
  });
  if (graph.channels == 0) {  // slower than the table's slowest
    return {.channels = ports.count, .each = ports.rate};
  }
  return Doubled(graph, links);
}

ChannelGraph PortGraph(const GroupLinks& links) {
  const Ports ports = PortsOf(links);
  BytesPerSecond rate = ports.rate;
  for (const BytesPerSecond tried : links.generation->speeds_across) {
    if (Fitting(ports.rate, tried) > 0) {
      rate = tried;
      break;
    }
  }
  return {.channels = ports.count, .each = rate};
}

double ContendedShare(const ChannelGraph& graph, const GroupLinks& links) {
  if (links.shape.is_one_node() || links.oversubscription <= 1) {
    return 1;
  }
  const BytesPerSecond above = links.shape.per_node * links.across_rate() / links.oversubscription;
  return std::min(1.0, above / graph.bus());
}

double BytesABlock(CollectiveProtocol protocol, bool is_ring, const GroupLinks& links) {
  const hardware::ChannelLimits& limits = links.library->channels;
  switch (protocol) {
    case CollectiveProtocol::kLl:
      return limits.threads * limits.bytes_a_thread_ll * (is_ring ? links.shape.ranks : 1.0);
    case CollectiveProtocol::kLl128:
      return limits.threads_ll128 * limits.bytes_a_thread_ll128;
    case CollectiveProtocol::kSimple:
    case CollectiveProtocol::kChosen:
      break;
  }
  return limits.threads * limits.bytes_a_thread_simple;
}

}  // namespace ridgeline::network

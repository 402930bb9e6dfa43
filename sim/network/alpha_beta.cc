#include "sim/network/alpha_beta.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/units_text.h"
#include "sim/network/all_to_all.h"
#include "sim/network/cluster_links.h"
#include "sim/network/group_shape.h"
#include "sim/network/hierarchical.h"
#include "sim/network/in_switch.h"
#include "sim/network/optimism.h"
#include "sim/network/protocol.h"
#include "sim/network/ring.h"
#include "sim/network/tree.h"
#include "sim/network/wire_bound.h"

namespace ridgeline::network {
namespace {

constexpr Seconds kNever = Seconds::FromBase(std::numeric_limits<double>::infinity());

/// A closed form of this folder.
using Form = Seconds (*)(const GroupShape&, Bytes, const GroupHops&);

/// What the closed forms need to know of the cluster for one group.
struct GroupLinks {
  PortRate inside;
  PortRate across;  // zero rates when the group lies on one node
  Seconds network_excess;
  bool in_switch_reduction = false;
  std::string_view architecture;
};

GroupLinks LinksOf(const hardware::Cluster& cluster, const GroupShape& shape) {
  GroupLinks links{.inside = InsidePort(cluster, shape.per_node),
                   .across = {},
                   .network_excess = {},
                   .in_switch_reduction = cluster.node.in_switch_reduction,
                   .architecture = cluster.gpu.architecture};
  links.in_switch_reduction = links.in_switch_reduction && links.inside.is_nvlink;
  if (!shape.is_one_node()) {
    links.across = AcrossPort(cluster, shape.nodes);
    links.network_excess = std::max(Seconds{}, cluster.fabric.latency - kAssumedNetworkLatency);
  }
  return links;
}

/// Prices a group's collectives with links at one rate: the expectation, or the worst cited.
class GroupPrices {
 public:
  GroupPrices(const GroupLinks& links, bool is_low)
      : links_(links),
        inside_(is_low ? links.inside.low : links.inside.mean),
        across_(is_low ? links.across.low : links.across.mean) {}

  Seconds TimeOf(CollectiveKind kind, const GroupShape& shape, Bytes size) const {
    switch (kind) {
      case CollectiveKind::kAllReduce:
        return AllReduce(shape, size);
      case CollectiveKind::kAllGather:
        return Gather(RingAllGatherTime, shape, size);
      case CollectiveKind::kReduceScatter:
        return Gather(RingReduceScatterTime, shape, size);
      case CollectiveKind::kAllToAll:
        return Fastest(Algorithm::kRing, AllToAllTime, shape, size);
      case CollectiveKind::kBroadcast:
        return Fastest(Algorithm::kRing, RingBroadcastTime, shape, size);
      case CollectiveKind::kSend:
        return Fastest(Algorithm::kRing, SendTime, shape, size);
    }
    return kNever;
  }

 private:
  GroupHops HopsOf(const Protocol& protocol, const GroupShape& shape) const {
    const bool is_one_node = shape.is_one_node();
    const double share = is_one_node ? protocol.one_node_share : protocol.many_nodes_share;
    GroupHops hops;
    hops.base = protocol.base;
    hops.inside = {.latency = links_.inside.is_nvlink ? protocol.nvlink : protocol.pcie,
                   .bandwidth = inside_ * share};
    hops.across = {.latency = protocol.network + protocol.network_excess * links_.network_excess,
                   .bandwidth = across_ * share};
    if (!is_one_node) {
      // The host that serves the NICs sets the pace of the steps between its GPUs as well.
      hops.inside.latency = std::max(
          hops.inside.latency, protocol.network_excess > 1 ? kHostOverheadSimple : kHostOverhead);
    }
    if (protocol.is_low_latency) {
      const BytesPerSecond ceiling = LowLatencyCeiling(links_.architecture, shape.nodes);
      hops.inside.bandwidth = std::min(hops.inside.bandwidth, ceiling);
      hops.across.bandwidth = std::min(hops.across.bandwidth, ceiling / shape.per_node);
    }
    return hops;
  }

  /// The form in its fastest protocol.
  Seconds Fastest(Algorithm algorithm, Form form, const GroupShape& shape, Bytes size) const {
    Seconds best = kNever;
    for (const Protocol& protocol : ProtocolsOf(algorithm)) {
      if (!protocol.needs_nvlink || links_.inside.is_nvlink) {
        best = std::min(best, form(shape, size, HopsOf(protocol, shape)));
      }
    }
    return best;
  }

  Seconds FlatAllReduce(const GroupShape& shape, Bytes size) const {
    Seconds best = std::min(Fastest(Algorithm::kRing, RingAllReduceTime, shape, size),
                            Fastest(Algorithm::kTree, TreeAllReduceTime, shape, size));
    if (shape.is_one_node() && links_.in_switch_reduction && shape.ranks >= kInSwitchMinimumRanks) {
      const Hop port{.latency = kInSwitchLatency,
                     .bandwidth = inside_ * InSwitchShare(links_.architecture)};
      best = std::min(best, InSwitchAllReduceTime(shape.ranks, size, port));
    }
    return best;
  }

  Seconds AllReduce(const GroupShape& shape, Bytes size) const {
    Seconds best = FlatAllReduce(shape, size);
    if (HasTwoLevels(shape)) {
      const GroupShape inside = InsideOf(shape);
      best = std::min(best, Fastest(Algorithm::kRing, RingReduceScatterTime, inside, size) +
                                FlatAllReduce(AcrossOf(shape), AcrossSize(shape, size)) +
                                Fastest(Algorithm::kRing, RingAllGatherTime, inside, size));
    }
    return best;
  }

  Seconds FlatGather(Form ring, const GroupShape& shape, Bytes size) const {
    Seconds best = Fastest(Algorithm::kRing, ring, shape, size);
    if (shape.per_node == 1) {
      best = std::min(best, Fastest(Algorithm::kAggregatedTrees, AggregatedTreesTime, shape, size));
    }
    return best;
  }

  /// All-gather, and reduce-scatter, which is one backwards.
  Seconds Gather(Form ring, const GroupShape& shape, Bytes size) const {
    Seconds best = FlatGather(ring, shape, size);
    if (HasTwoLevels(shape)) {
      best = std::min(best, FlatGather(ring, AcrossOf(shape), AcrossSize(shape, size)) +
                                Fastest(Algorithm::kRing, ring, InsideOf(shape), size));
    }
    return best;
  }

  const GroupLinks& links_;
  BytesPerSecond inside_;
  BytesPerSecond across_;
};

bool IsNothing(const Collective& collective) {
  return collective.group.ranks <= 1 || !(Bytes{} < collective.bytes);
}

Seconds BoundWith(const GroupLinks& links, const Collective& collective) {
  return WireBound(collective, {.inside = links.inside.peak,
                                .across = links.across.peak,
                                .in_switch_reduction = links.in_switch_reduction});
}

/// The mean lengthened by the optimism of its size; or that of a smaller size, where it was longer.
Seconds HighOf(const GroupPrices& prices, const Collective& collective, const GroupShape& shape,
               Seconds mean) {
  const auto steps = OptimismOf(collective.kind, shape.is_one_node());
  Seconds high = mean;
  for (size_t i = 0; i < steps.size() && !(collective.bytes < steps[i].from); ++i) {
    const bool is_last = i + 1 == steps.size() || collective.bytes < steps[i + 1].from;
    const Seconds longest =
        is_last ? mean : prices.TimeOf(collective.kind, shape, steps[i + 1].from);
    high = std::max(high, longest * (1 + steps[i].excess));
  }
  return high;
}

hardware::RateInUse RateOf(const PortRate& port, std::string what) {
  return {.what = std::move(what),
          .value = Format(port.mean),
          .of_peak = port.mean / port.peak,
          .source = port.source};
}

}  // namespace

Cost AlphaBetaCollectives::CostOf(const Collective& collective) const {
  if (IsNothing(collective)) {
    return {};
  }
  const GroupShape shape = ShapeOf(collective.group);
  const GroupLinks links = LinksOf(cluster_, shape);
  const GroupPrices prices(links, false);
  const Seconds mean = prices.TimeOf(collective.kind, shape, collective.bytes);
  const Seconds worst_links =
      GroupPrices(links, true).TimeOf(collective.kind, shape, collective.bytes);
  return {.mean = mean,
          .low = BoundWith(links, collective),
          .high = std::max(HighOf(prices, collective, shape, mean), worst_links),
          .evidence = Evidence::kAnalytic};
}

Seconds AlphaBetaCollectives::BoundOf(const Collective& collective) const {
  if (IsNothing(collective)) {
    return {};
  }
  return BoundWith(LinksOf(cluster_, ShapeOf(collective.group)), collective);
}

std::vector<hardware::RateInUse> AlphaBetaCollectives::RatesFor(
    const hardware::RunProfile& run) const {
  std::vector<hardware::RateInUse> rates;
  if (run.gpus <= 1) {
    return rates;
  }
  const auto add = [&rates](std::string what, std::string value, double of_peak,
                            std::string_view source) {
    rates.push_back({.what = std::move(what),
                     .value = std::move(value),
                     .of_peak = of_peak,
                     .source = std::string(source)});
  };
  const bool leaves_node = cluster_.nodes > 1 && run.gpus > cluster_.node.gpus;
  const PortRate inside = InsidePort(cluster_, cluster_.node.gpus);
  if (cluster_.node.gpus > 1) {
    rates.push_back(RateOf(inside, inside.what));
    if (const PortRate pair = InsidePort(cluster_, 2); pair.what != inside.what) {
      rates.push_back(RateOf(pair, pair.what + ", two GPUs"));
    }
    if (cluster_.node.in_switch_reduction && inside.is_nvlink) {
      const double share = InSwitchShare(cluster_.gpu.architecture);
      add("reduction in the switches, share of NVLink", fmt::format("{:.2f}", share), share,
          kProtocolSource);
      add("reduction in the switches, latency", Format(kInSwitchLatency), 1.0, kProtocolSource);
    }
  }
  if (leaves_node) {
    const double nodes = std::ceil(static_cast<double>(run.gpus) / cluster_.node.gpus);
    rates.push_back(RateOf(AcrossPort(cluster_, nodes),
                           fmt::format("a GPU's share of {}", cluster_.fabric.name)));
    const auto source = cluster_.fabric.sources.find("latency");
    add(fmt::format("latency of {}, of which the excess over {} is added", cluster_.fabric.name,
                    Format(kAssumedNetworkLatency)),
        Format(cluster_.fabric.latency), 1.0,
        source == cluster_.fabric.sources.end() ? "not stated" : source->second);
    add("least time of a step inside a node while its host serves the network",
        fmt::format("{}, Simple {}", Format(kHostOverhead), Format(kHostOverheadSimple)), 1.0,
        kProtocolSource);
  }
  const auto add_protocols = [&](std::string_view name, Algorithm algorithm) {
    for (const Protocol& protocol : ProtocolsOf(algorithm)) {
      if (protocol.needs_nvlink && !inside.is_nvlink) {
        continue;
      }
      const double share = leaves_node ? protocol.many_nodes_share : protocol.one_node_share;
      add(fmt::format("{} {}: start, a step inside a node, between nodes, share of links", name,
                      protocol.name),
          fmt::format("{}, {}, {}, {:.2f}", Format(protocol.base),
                      Format(inside.is_nvlink ? protocol.nvlink : protocol.pcie),
                      leaves_node ? Format(protocol.network) : "none", share),
          share, kProtocolSource);
    }
  };
  add_protocols("ring", Algorithm::kRing);
  add_protocols("tree", Algorithm::kTree);
  if (leaves_node) {
    add_protocols("aggregated trees", Algorithm::kAggregatedTrees);
    add("aggregated trees: share of a step between nodes that a hop waits, and each rank",
        fmt::format("1 / {}, {}", kAggregatedStepsPerLatency, Format(kAggregatedPerRank)), 1.0,
        kProtocolSource);
  }
  const auto add_ceiling = [&](std::string_view where, double nodes) {
    add(fmt::format("most that LL carries {}", where),
        Format(LowLatencyCeiling(cluster_.gpu.architecture, nodes)), 1.0, kProtocolSource);
  };
  add_ceiling("inside a node", 1);
  if (leaves_node) {
    add_ceiling("over two nodes", 2);
    if (run.gpus > 2 * cluster_.node.gpus) {
      add_ceiling("over more nodes", 3);
    }
  }
  double most_optimism = 0;
  for (const bool is_one_node : {true, false}) {
    for (const OptimismStep& step : OptimismOf(CollectiveKind::kAllReduce, is_one_node)) {
      most_optimism =
          is_one_node || leaves_node ? std::max(most_optimism, step.excess) : most_optimism;
    }
  }
  add("the high end of a collective adds NCCL's published optimism by size",
      fmt::format("up to {:.0f} %", 100 * most_optimism), 1.0,
      "NVIDIA/nccl v2.30.7 src/graph/tuning.cc against Azure/AI-benchmarking-guide; widens the "
      "range, moves no mean");
  return rates;
}

}  // namespace ridgeline::network

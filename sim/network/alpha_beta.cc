#include "sim/network/alpha_beta.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/units_text.h"
#include "sim/network/availability.h"
#include "sim/network/cluster_links.h"
#include "sim/network/group_links.h"
#include "sim/network/optimism.h"
#include "sim/network/plan_on_links.h"

namespace ridgeline::network {
namespace {

bool IsNothing(const Collective& collective) {
  return collective.group.ranks <= 1 || !(Bytes{} < collective.bytes);
}

/// The group's links in a job whose other groups use the fabric's upper tiers as well.
GroupLinks SharedLinks(const hardware::Cluster& cluster, const RankGroup& group, LinkRates rates) {
  GroupLinks links = LinksOf(cluster, group, rates);
  if (!links.shape.is_one_node()) {
    links.oversubscription = hardware::OversubscriptionOver(
        cluster.fabric, links.shape.nodes * static_cast<double>(group.node_stride));
  }
  return links;
}

/// What the mean may be multiplied by at each size: steps in order, the first from zero.
struct Spread {
  Bytes from;
  double low = 0.0;
  double high = 1.0;
};

/// Errors of the corrected model among measurements that it had not seen; NCCL's published optimism
/// where nothing was measured.
std::vector<Spread> SpreadOf(CollectiveKind kind, const GroupLinks& links) {
  std::vector<Spread> spread;
  const hardware::CollectiveCorrections& corrections = links.library->corrections;
  const bool is_one_node = links.shape.is_one_node();
  for (const hardware::ErrorBand& band :
       is_one_node ? corrections.one_node_errors : corrections.nodes_errors) {
    spread.push_back({band.from, std::min(1.0, band.low), std::max(1.0, band.high)});
  }
  if (spread.empty()) {
    for (const OptimismStep& step : OptimismOf(kind, is_one_node)) {
      spread.push_back({step.from, 0.0, 1 + step.excess});
    }
  }
  return spread;
}

/// The ends of the range: the mean times what its size's step says, but no less than a smaller size
/// reached before, and no more than a larger one starts from.
Cost RangeOf(const Collective& collective, const hardware::Cluster& cluster,
             const GroupLinks& links, const CollectivePlan& plan) {
  const Seconds mean = plan.time();
  const std::vector<Spread> spread = SpreadOf(collective.kind, links);
  const auto mean_at = [&](Bytes size) {
    Collective other = collective;
    other.bytes = size;
    return PlanOnLinks(other, cluster, links).time();
  };
  size_t current = 0;
  while (current + 1 < spread.size() && !(collective.bytes < spread[current + 1].from)) {
    ++current;
  }
  Cost cost{.mean = mean,
            .low = mean * spread[current].low,
            .high = mean * spread[current].high,
            .evidence = plan.evidence};
  for (size_t i = 0; i < current; ++i) {
    if (spread[current].high < spread[i].high) {
      cost.high = std::max(cost.high, mean_at(spread[i + 1].from) * spread[i].high);
    }
  }
  for (size_t i = current + 1; i < spread.size(); ++i) {
    if (spread[i].low < spread[current].low) {
      cost.low = std::min(cost.low, mean_at(spread[i].from) * spread[i].low);
    }
  }
  cost.low = std::max(cost.low, BoundOn(collective, links));
  return cost;
}

hardware::RateInUse RateOf(const PortRate& port, std::string what) {
  return {.what = std::move(what),
          .value = Format(port.mean),
          .of_peak = port.mean / port.peak,
          .source = port.source};
}

}  // namespace

size_t AlphaBetaCollectives::Hash::operator()(const Collective& collective) const {
  size_t hash = std::hash<double>()(collective.bytes.base());
  for (const int64_t part :
       {collective.group.ranks, collective.group.ranks_per_node, collective.group.node_stride,
        static_cast<int64_t>(collective.kind), static_cast<int64_t>(collective.dtype),
        static_cast<int64_t>(collective.algorithm), static_cast<int64_t>(collective.protocol)}) {
    hash = hash * 0x9E3779B97F4A7C15U + static_cast<size_t>(part) + (hash >> 32U);
  }
  return hash;
}

Cost AlphaBetaCollectives::CostOf(const Collective& collective) const {
  if (IsNothing(collective)) {
    return {};
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const auto found = known_.find(collective); found != known_.end()) {
      return found->second;
    }
  }
  const Cost cost = Price(collective);
  constexpr size_t kMostKnown = size_t{1} << 16;  // a serving run may ask for any size
  const std::lock_guard<std::mutex> lock(mutex_);
  if (known_.size() < kMostKnown) {
    known_.emplace(collective, cost);
  }
  return cost;
}

Cost AlphaBetaCollectives::Price(const Collective& collective) const {
  const GroupLinks links = SharedLinks(cluster_, collective.group, LinkRates::kExpected);
  Cost cost = RangeOf(collective, cluster_, links, PlanOnLinks(collective, cluster_, links));
  const GroupLinks worst = SharedLinks(cluster_, collective.group, LinkRates::kWorst);
  cost.high = std::max(cost.high, PlanOnLinks(collective, cluster_, worst).time());
  return cost;
}

Seconds AlphaBetaCollectives::BoundOf(const Collective& collective) const {
  if (IsNothing(collective)) {
    return {};
  }
  return BoundOn(collective, LinksOf(cluster_, collective.group));
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
  const hardware::CollectiveLibrary& library = *cluster_.collectives;
  const hardware::LibraryGeneration& generation = library.GenerationOf(cluster_.gpu.architecture);
  const auto source = [&](const std::string& key) -> std::string_view {
    const auto found = library.sources.find(key);
    return found == library.sources.end() ? std::string_view(library.title) : found->second;
  };
  const PortRate inside = InsidePort(cluster_, cluster_.node.gpus);
  if (cluster_.node.gpus > 1) {
    rates.push_back(RateOf(inside, inside.what));
    if (const PortRate pair = InsidePort(cluster_, 2); pair.what != inside.what) {
      rates.push_back(RateOf(pair, pair.what + ", two GPUs"));
    }
    if (cluster_.node.in_switch_reduction && inside.is_nvlink) {
      add("sums in NVLink's switches, share of NVLink",
          fmt::format("{:.4f}", generation.nvls_share), generation.nvls_share,
          source(fmt::format("generations.{}.nvls_share", cluster_.gpu.architecture)));
    }
  }
  if (leaves_node) {
    rates.push_back(
        RateOf(AcrossPort(cluster_), fmt::format("a GPU's share of {}", cluster_.fabric.name)));
    const auto latency = cluster_.fabric.sources.find("latency");
    add(fmt::format("latency of {}, of which the excess over {} is added", cluster_.fabric.name,
                    Format(library.assumed_network_latency)),
        Format(cluster_.fabric.latency), 1.0,
        latency == cluster_.fabric.sources.end() ? "not stated" : latency->second);
    const hardware::LibraryHost& host = library.HostInUse();
    add("least time of a step inside a node while its host serves the network",
        fmt::format("{}, Simple {}", Format(host.overhead),
                    Format(library.simple_overhead * host.overhead)),
        1.0, source("hosts"));
    add("most that LL carries over two nodes, and over more",
        fmt::format("{}, {}", Format(host.ll_two_nodes), Format(host.ll_more_nodes)), 1.0,
        source("hosts"));
  }
  add("most that LL carries inside a node", Format(generation.ll_most), 1.0, source("generations"));
  // Every algorithm that may answer for some group of such a run.
  using enum CollectiveAlgorithm;
  for (const CollectiveAlgorithm algorithm :
       {kRing, kTree, kNvls, kNvlsTree, kCollNetDirect, kCollNetChain, kPat, kPairwise}) {
    const bool is_over_nodes = algorithm == kNvlsTree || algorithm == kCollNetDirect ||
                               algorithm == kCollNetChain || algorithm == kPat;
    const bool is_collnet = algorithm == kCollNetDirect || algorithm == kCollNetChain;
    const bool is_summed = algorithm == kNvls || algorithm == kNvlsTree;
    if (!library.Has(algorithm) || (is_over_nodes && !leaves_node) ||
        (is_collnet && !cluster_.network.sharp) ||
        (is_summed && !(cluster_.node.in_switch_reduction && inside.is_nvlink))) {
      continue;
    }
    for (const CollectiveProtocol protocol :
         {CollectiveProtocol::kLl, CollectiveProtocol::kLl128, CollectiveProtocol::kSimple}) {
      const auto& costs = CostsOf(algorithm, library).In(protocol);
      if (!costs || (protocol == CollectiveProtocol::kLl128 && !inside.is_nvlink)) {
        continue;
      }
      add(fmt::format("{} {}: start, a step inside a node, between nodes", AlgorithmName(algorithm),
                      ProtocolName(protocol)),
          fmt::format("{}, {}, {}", Format(costs->base),
                      Format(inside.is_nvlink ? costs->nvlink : costs->pcie),
                      leaves_node ? Format(costs->network) : "none"),
          1.0, source("latencies"));
    }
  }
  add("shares of the links: ring LL, LL128, tree, of which LL and LL128",
      fmt::format(
          "{:.2f}, {:.2f}, {:.2f}, {:.2f}, {:.2f}", library.shares.ring_ll,
          library.shares.ring_ll128, library.shares.tree, library.shares.tree_ll,
          leaves_node ? library.shares.tree_ll128_nodes : library.shares.tree_ll128_one_node),
      1.0, source("shares"));
  const auto add_spread = [&](std::string_view where, bool is_one_node) {
    GroupLinks links;
    links.library = &library;
    links.shape.nodes = is_one_node ? 1 : 2;
    double low = 1;
    double high = 1;
    for (const Spread& step : SpreadOf(CollectiveKind::kAllReduce, links)) {
      low = std::min(low, step.low);
      high = std::max(high, step.high);
    }
    const auto& corrections = library.corrections;
    const bool is_measured =
        !(is_one_node ? corrections.one_node_errors : corrections.nodes_errors).empty();
    add(fmt::format("ends of a collective's range {}, of its time", where),
        low > 0 ? fmt::format("{:.2f} to {:.2f}", low, high) : fmt::format("up to {:.2f}", high),
        1.0,
        is_measured ? source("corrections")
                    : "NVIDIA/nccl v2.30.7 src/graph/tuning.cc against "
                      "Azure/AI-benchmarking-guide; widens the range, moves no mean");
  };
  add_spread("inside a node", true);
  if (leaves_node) {
    add_spread("over nodes", false);
  }
  return rates;
}

}  // namespace ridgeline::network

#include "sim/network/alpha_beta.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

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

/// The mean lengthened by the optimism of its size; or that of a smaller size, where it was longer.
Seconds HighOf(const Collective& collective, const hardware::Cluster& cluster,
               const GroupLinks& links, Seconds mean) {
  const auto steps = OptimismOf(collective.kind, links.shape.is_one_node());
  Seconds high = mean;
  Collective smaller = collective;
  for (size_t i = 0; i < steps.size() && !(collective.bytes < steps[i].from); ++i) {
    const bool is_last = i + 1 == steps.size() || collective.bytes < steps[i + 1].from;
    Seconds longest = mean;
    if (!is_last) {
      smaller.bytes = steps[i + 1].from;
      longest = PlanOnLinks(smaller, cluster, links).time();
    }
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
  const GroupLinks links = SharedLinks(cluster_, collective.group, LinkRates::kExpected);
  const GroupLinks worst = SharedLinks(cluster_, collective.group, LinkRates::kWorst);
  const Seconds mean = PlanOnLinks(collective, cluster_, links).time();
  return {.mean = mean,
          .low = BoundOn(collective, links),
          .high = std::max(HighOf(collective, cluster_, links, mean),
                           PlanOnLinks(collective, cluster_, worst).time()),
          .evidence = Evidence::kAnalytic};
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

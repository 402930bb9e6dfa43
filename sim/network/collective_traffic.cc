#include "sim/network/collective_traffic.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "sim/network/bus_factor.h"
#include "sim/network/exchange_traffic.h"
#include "sim/network/group_rails.h"
#include "sim/network/ring_traffic.h"
#include "sim/network/tree_traffic.h"

namespace ridgeline::network {
namespace {

bool IsPairwise(const CollectiveTraffic& collective) {
  return collective.kind == CollectiveKind::kAllToAll ||
         collective.algorithm == CollectiveAlgorithm::kOneShot ||
         collective.algorithm == CollectiveAlgorithm::kTwoShot;
}

/// About how many flows there will be.
double FlowsOf(const CollectiveTraffic& collective, double ranks) {
  if (IsPairwise(collective)) {
    return ranks * (ranks - 1);
  }
  return collective.chunks > 0 ? 2 * ranks * std::max(ranks, static_cast<double>(collective.chunks))
                               : 8 * ranks;
}

bool IsReduction(CollectiveKind kind) {
  return kind == CollectiveKind::kAllReduce || kind == CollectiveKind::kAllGather ||
         kind == CollectiveKind::kReduceScatter;
}

/// True when written. The order of cases is that of CollectiveAlgorithm.
bool Append(const CollectiveTraffic& collective, const GroupGpus& group, TrafficWriter& writer) {
  const CollectiveKind kind = collective.kind;
  const double bytes = collective.bytes;
  const auto ranks = static_cast<double>(group.size());
  if (kind == CollectiveKind::kSend) {
    writer.Add(group.front(), group.back(), bytes, 0, {}, RailRule::kAsSet);
    return true;
  }
  if (kind == CollectiveKind::kAllToAll) {
    AppendExchanges(group, bytes / ranks, collective.window, writer);
    return true;
  }
  const bool is_all_reduce = kind == CollectiveKind::kAllReduce;
  switch (collective.algorithm) {
    case CollectiveAlgorithm::kChosen:
      return false;
    case CollectiveAlgorithm::kRing:
      if (kind == CollectiveKind::kBroadcast) {
        AppendRingBroadcast(group, bytes, writer);
      } else if (collective.chunks > 0) {
        AppendRingSteps(group, bytes, is_all_reduce, writer);
      } else {
        AppendRings(group, BusFactor(kind, ranks) * bytes, writer);
      }
      return true;
    case CollectiveAlgorithm::kTree:
      if (is_all_reduce) {
        AppendTrees(group, bytes, collective.chunks, writer);
      }
      return is_all_reduce;
    case CollectiveAlgorithm::kNvls:
      if (IsReduction(kind)) {
        AppendInSwitch(group, is_all_reduce, bytes, writer);
        AppendBetweenSwitches(group, is_all_reduce ? bytes : (ranks - 1) / ranks * bytes, writer);
      }
      return IsReduction(kind);
    case CollectiveAlgorithm::kNvlsTree:
      if (is_all_reduce) {
        AppendInSwitch(group, true, bytes, writer);
        AppendTreesBetweenNodes(group, bytes, writer);
      }
      return is_all_reduce;
    case CollectiveAlgorithm::kCollNetDirect:
      if (IsReduction(kind)) {
        AppendDirectInNodes(group, is_all_reduce ? 2 * bytes : bytes, writer);
        AppendBetweenSwitches(group, is_all_reduce ? bytes : (ranks - 1) / ranks * bytes, writer);
      }
      return IsReduction(kind);
    case CollectiveAlgorithm::kCollNetChain:
      if (is_all_reduce) {
        AppendChainsInNodes(group, bytes, writer);
        AppendBetweenSwitches(group, bytes, writer);
      }
      return is_all_reduce;
    case CollectiveAlgorithm::kPat:
      if (IsReduction(kind)) {
        AppendAggregatedTrees(group, (is_all_reduce ? 2 : 1) * bytes, writer);
      }
      return IsReduction(kind);
    case CollectiveAlgorithm::kHierarchical:
      if (IsReduction(kind)) {
        AppendHierarchical(group, kind, bytes, writer);
      }
      return IsReduction(kind);
    case CollectiveAlgorithm::kPairwise:
      return false;
    case CollectiveAlgorithm::kOneShot:
      if (is_all_reduce) {
        AppendExchanges(group, bytes, 0, writer);
      }
      return is_all_reduce;
    case CollectiveAlgorithm::kTwoShot:
      if (is_all_reduce) {
        AppendTwoShots(group, bytes / ranks, writer);
      }
      return is_all_reduce;
  }
  return false;
}

}  // namespace

Result<FlowRange> AppendCollective(const CollectiveTraffic& collective, const GroupGpus& group,
                                   TrafficWriter& writer) {
  const engine::FlowIndex begin = writer.num_flows();
  if (group.size() <= 1 || !(collective.bytes > 0)) {
    return FlowRange{.begin = begin, .end = begin};
  }
  // A message over queue pairs is as many flows and a gate.
  const double each =
      writer.queue_pairs() > 1 ? static_cast<double>(writer.queue_pairs() + 1) : 1.0;
  const double flows = each * FlowsOf(collective, static_cast<double>(group.size()));
  if (static_cast<double>(begin) + flows > kMostFlows) {
    return Fail({.code = ErrorCode::kResourceExhausted,
                 .message = fmt::format("{} over {} GPUs is {:.0f} flows beside {} others, of at "
                                        "most {:.0f}",
                                        CollectiveName(collective.kind), group.size(), flows, begin,
                                        kMostFlows),
                 .hint = "price it with network.fidelity: analytic"});
  }
  if (!Append(collective, group, writer)) {
    return Unimplemented(fmt::format("flows of {} by {}", CollectiveName(collective.kind),
                                     AlgorithmName(collective.algorithm)),
                         "name another algorithm, or leave the choice to the library");
  }
  return FlowRange{.begin = begin, .end = writer.num_flows()};
}

}  // namespace ridgeline::network

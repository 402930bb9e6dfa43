#include "sim/network/collective_plan.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "sim/network/algorithm_choice.h"
#include "sim/network/availability.h"
#include "sim/network/channel_graph.h"
#include "sim/network/collective_evidence.h"
#include "sim/network/hierarchical.h"
#include "sim/network/plan_on_links.h"
#include "sim/network/wire_bound.h"

namespace ridgeline::network {
namespace {

RankGroup GroupOf(const GroupShape& shape) {
  return {.ranks = static_cast<int64_t>(shape.ranks),
          .ranks_per_node = static_cast<int64_t>(shape.per_node)};
}

CollectivePlan FlatPlan(const Collective& collective, const hardware::Cluster& cluster,
                        const GroupLinks& links) {
  const Candidates found = CandidatesOf(collective, links);
  CHECK(found.count > 0, "{} cannot be done here", Describe(collective));
  const Candidate& chosen = ChosenOf(found.view(), collective.bytes);
  const SplitTime time = TimeOf(found.view(), chosen, collective.bytes);
  return {.algorithm = chosen.algorithm,
          .protocol = chosen.protocol,
          .channels = chosen.ChannelsAt(collective.bytes),
          .latency = time.latency,
          .ramp = time.ramp,
          .wire = time.wire,
          .evidence = EvidenceOf(collective, chosen.algorithm, chosen.measured != nullptr,
                                 cluster.gpu.name, links)};
}

/// Reduce-scatter in the node, all-reduce between nodes, all-gather in the node; for gathers, the
/// two levels of them. The levels follow one another.
CollectivePlan TwoLevelPlan(const Collective& collective, const hardware::Cluster& cluster,
                            const GroupLinks& links) {
  const GroupLinks inside = LinksOf(cluster, InsideOf(links.shape), links.rates);
  GroupLinks across = LinksOf(cluster, AcrossOf(links.shape), links.rates);
  across.oversubscription = links.oversubscription;
  Collective level = collective;
  level.algorithm = CollectiveAlgorithm::kChosen;
  level.bytes = AcrossSize(links.shape, collective.bytes);
  level.group = GroupOf(across.shape);
  CollectivePlan plan = FlatPlan(level, cluster, across);
  level.bytes = collective.bytes;
  level.group = GroupOf(inside.shape);
  const auto add = [&](CollectiveKind kind) {
    level.kind = kind;
    const CollectivePlan part = FlatPlan(level, cluster, inside);
    plan.channels = std::max(plan.channels, part.channels);
    plan.latency += part.latency;
    plan.ramp += part.ramp;
    plan.wire += part.wire;
    plan.evidence = Worse(plan.evidence, part.evidence);
  };
  if (collective.kind == CollectiveKind::kAllReduce) {
    add(CollectiveKind::kReduceScatter);
    add(CollectiveKind::kAllGather);
  } else {
    add(collective.kind);
  }
  plan.algorithm = CollectiveAlgorithm::kHierarchical;
  return plan;
}

}  // namespace

Seconds BoundOn(const Collective& collective, const GroupLinks& links) {
  return WireBound(collective, {.inside = links.inside.peak,
                                .across = links.across.peak,
                                .in_switch_reduction = links.switches_add,
                                .in_fabric_reduction = links.fabric_adds});
}

CollectivePlan PlanOnLinks(const Collective& collective, const hardware::Cluster& cluster,
                           const GroupLinks& links) {
  CollectivePlan plan = collective.algorithm == CollectiveAlgorithm::kHierarchical
                            ? TwoLevelPlan(collective, cluster, links)
                            : FlatPlan(collective, cluster, links);
  // No library's model may promise more than the links' peaks.
  plan.wire = std::max(plan.wire, BoundOn(collective, links));
  return plan;
}

CollectivePlan PlanOf(const Collective& collective, const hardware::Cluster& cluster) {
  if (collective.group.ranks <= 1 || !(Bytes{} < collective.bytes)) {
    return {};
  }
  return PlanOnLinks(collective, cluster, LinksOf(cluster, collective.group));
}

Status CheckPlan(const Collective& collective, const hardware::Cluster& cluster) {
  const GroupShape shape = ShapeOf(collective.group);
  const GroupLinks links = LinksOf(cluster, shape);
  std::optional<Refusal> refusal = RefusalOf(collective, links);
  if (!refusal && collective.algorithm == CollectiveAlgorithm::kChosen && shape.ranks > 1 &&
      CandidatesOf(collective, links).count == 0) {
    refusal = Refusal{
        .message = fmt::format("no algorithm does {} in protocol {} here",
                               CollectiveName(collective.kind), ProtocolName(collective.protocol)),
        .hint = "leave the protocol out: the library chooses the fastest"};
  }
  if (!refusal && collective.algorithm == CollectiveAlgorithm::kHierarchical && shape.ranks > 1 &&
      collective.protocol == CollectiveProtocol::kLl128 &&
      !LinksOf(cluster, AcrossOf(shape)).inside.is_nvlink) {
    refusal = Refusal{.message = "no protocol ll128 without NVLink",
                      .hint = "leave the protocol out: the library chooses the fastest"};
  }
  if (refusal) {
    return InvalidArgument(std::move(refusal->message), std::move(refusal->hint));
  }
  return {};
}

}  // namespace ridgeline::network

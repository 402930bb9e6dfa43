#include "sim/network/flow_collectives.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "sim/network/collective_plan.h"
#include "sim/network/traffic_classes.h"

namespace ridgeline::network {
namespace {

constexpr double kReferenceBytes = 1e9;  // far above a picosecond's worth on any link
/// Fluid times are whole picoseconds, and sums of shares round: a ratio this near to 1 is 1.
constexpr double kNoContention = 1e-6;

Seconds TimeOf(const engine::FlowTimes& times) { return engine::ToSeconds(times.makespan); }

/// Bytes that cross each link in all, over its capacity and the time.
void FindBusiest(const engine::Traffic& traffic, const std::vector<engine::LinkIndex>* link_of,
                 FluidRun& run) {
  std::vector<double> bytes(static_cast<size_t>(traffic.num_links()), 0.0);
  for (engine::FlowIndex flow = 0; flow < traffic.num_flows(); ++flow) {
    for (const engine::Traffic::Crossing& crossing : traffic.path(flow)) {
      bytes[static_cast<size_t>(crossing.link)] += traffic.flow(flow).bytes * crossing.count;
    }
  }
  for (engine::LinkIndex link = 0; link < traffic.num_links(); ++link) {
    const double load =
        bytes[static_cast<size_t>(link)] / (traffic.capacity(link) * run.time.base());
    if (load > run.load) {
      run.load = load;
      run.busiest = link_of == nullptr ? link : (*link_of)[static_cast<size_t>(link)];
    }
  }
}

}  // namespace

std::string NameOfResource(const hardware::FabricGraph& graph, int32_t resource) {
  const hardware::FabricLink* first = nullptr;
  int64_t others = 0;
  for (const hardware::FabricLink& link : graph.links()) {
    if (link.resource == resource && first == nullptr) {
      first = &link;
    } else if (link.resource == resource) {
      ++others;
    }
  }
  if (first == nullptr) {
    return {};
  }
  return fmt::format("{} to {}{}", graph.NameOf(first->from), graph.NameOf(first->to),
                     others == 0   ? ""
                     : others == 1 ? " and a link beside it"
                                   : fmt::format(" and {} links beside it", others));
}

hardware::Cluster WithoutContention(const hardware::Cluster& cluster) {
  hardware::Cluster alone = cluster;
  alone.fabric.oversubscription = 1.0;
  alone.fabric.pod_oversubscription = 1.0;
  alone.fabric.faults.clear();
  return alone;
}

Result<FluidRun> RunGroups(const CollectiveTraffic& pattern, const std::vector<GroupGpus>& groups,
                           const hardware::FabricGraph& graph, const hardware::Cluster& cluster,
                           SwitchLimits limits, const engine::TrafficRunner& runner,
                           bool merges_classes, const Stop& stop) {
  TrafficWriter writer(graph, cluster, limits);
  for (const GroupGpus& group : groups) {
    RETURN_IF_ERROR(stop.Check());
    RETURN_IF_ERROR(AppendCollective(pattern, group, writer));
  }
  engine::Traffic traffic = std::move(writer).Take();
  FluidRun run;
  run.flows = traffic.num_flows();
  run.classes = run.flows;
  if (run.flows == 0) {
    return run;
  }
  if (merges_classes) {
    TrafficClasses classes = CollapseTraffic(traffic);
    traffic = std::move(classes.traffic);
    run.classes = traffic.num_flows();
    ASSIGN_OR_RETURN(const engine::FlowTimes times, runner.Run(traffic, stop));
    run.time = TimeOf(times);
    FindBusiest(traffic, &classes.link_of, run);
    return run;
  }
  ASSIGN_OR_RETURN(const engine::FlowTimes times, runner.Run(traffic, stop));
  run.time = TimeOf(times);
  FindBusiest(traffic, nullptr, run);
  return run;
}

FlowCollectives::FlowCollectives(const hardware::Cluster& cluster, hardware::FabricGraph graph,
                                 std::unique_ptr<const hardware::CollectiveCost> closed_form,
                                 std::shared_ptr<const engine::TrafficRunner> runner,
                                 bool merges_classes, Stop stop)
    : cluster_(cluster),
      alone_(WithoutContention(cluster)),
      graph_(std::move(graph)),
      closed_form_(std::move(closed_form)),
      runner_(std::move(runner)),
      merges_classes_(merges_classes),
      stop_(std::move(stop)) {}

Result<std::unique_ptr<const FlowCollectives>> FlowCollectives::Make(
    const hardware::Cluster& cluster, std::unique_ptr<const hardware::CollectiveCost> closed_form,
    std::shared_ptr<const engine::TrafficRunner> runner, bool merges_classes, Stop stop) {
  ASSIGN_OR_RETURN(hardware::FabricGraph graph, hardware::FabricGraph::Of(cluster));
  return std::unique_ptr<const FlowCollectives>(
      new FlowCollectives(cluster, std::move(graph), std::move(closed_form), std::move(runner),
                          merges_classes, std::move(stop)));
}

Result<Contention> FlowCollectives::Simulate(const CollectiveTraffic& pattern,
                                             const RankGroup& group) const {
  const bool is_pipeline = pattern.kind == CollectiveKind::kSend && group.ranks == 2;
  ASSIGN_OR_RETURN(const std::vector<GroupGpus> groups,
                   is_pipeline ? PlaceSends(group.node_stride, cluster_.nodes, cluster_.node.gpus)
                               : PlaceGroups(group, cluster_.nodes, cluster_.node.gpus));
  ASSIGN_OR_RETURN(const FluidRun shared,
                   RunGroups(pattern, groups, graph_, cluster_, SwitchLimits::kReal, *runner_,
                             merges_classes_, stop_));
  const auto run_alone = [&](const hardware::FabricGraph& graph) {
    return RunGroups(pattern, groups, graph, alone_, SwitchLimits::kNone, *runner_, merges_classes_,
                     stop_);
  };
  // Nodes' ports at fault are no limit of the nodes': the other run is of a fabric without faults.
  FluidRun alone;
  if (cluster_.fabric.faults.empty()) {
    ASSIGN_OR_RETURN(alone, run_alone(graph_));
  } else {
    ASSIGN_OR_RETURN(const hardware::FabricGraph whole, hardware::FabricGraph::Of(alone_));
    ASSIGN_OR_RETURN(alone, run_alone(whole));
  }
  Contention contention{.ratio = 1.0,
                        .alone = alone.time,
                        .shared = shared.time,
                        .bottleneck = NameOfResource(graph_, shared.busiest),
                        .load = shared.load,
                        .flows = shared.flows,
                        .classes = shared.classes};
  if (Seconds{} < alone.time) {
    const double ratio = shared.time / alone.time;
    contention.ratio = ratio > 1 + kNoContention ? ratio : 1.0;
  }
  return contention;
}

Result<Contention> FlowCollectives::Of(const Collective& collective,
                                       CollectiveAlgorithm algorithm) const {
  std::shared_ptr<Known> known;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::shared_ptr<Known>& slot =
        known_[{collective.kind, algorithm, collective.group.ranks, collective.group.ranks_per_node,
                collective.group.node_stride}];
    if (slot == nullptr) {
      slot = std::make_shared<Known>();
    }
    known = slot;
  }
  // Patterns are simulated side by side, each of them once.
  const std::lock_guard<std::mutex> lock(known->mutex);
  if (!known->contention) {
    RETURN_IF_ERROR(stop_.Check());  // not remembered: whoever stops may ask again
    known->contention =
        Simulate({.kind = collective.kind, .algorithm = algorithm, .bytes = kReferenceBytes},
                 collective.group);
  }
  return *known->contention;
}

Result<Contention> FlowCollectives::ContentionOf(const Collective& collective) const {
  const RankGroup& group = collective.group;
  if (group.ranks <= 1 || group.ranks <= group.ranks_per_node || !(Bytes{} < collective.bytes)) {
    return Contention{};
  }
  return Of(collective, PlanOf(collective, alone_).algorithm);
}

Result<Cost> FlowCollectives::Price(const Collective& collective) const {
  Cost cost = closed_form_->CostOf(collective);
  ASSIGN_OR_RETURN(const Contention contention, ContentionOf(collective));
  if (contention.ratio == 1.0 || !(Seconds{} < cost.mean)) {
    return cost;
  }
  const Seconds wire = std::min(PlanOf(collective, alone_).wire, cost.mean);
  const double factor = 1 + (contention.ratio - 1) * (wire / cost.mean);
  return Cost{.mean = cost.mean * factor,
              .low = cost.low * factor,
              .high = cost.high * factor,
              .evidence = Worse(cost.evidence, Evidence::kExtrapolated)};
}

Cost FlowCollectives::CostOf(const Collective& collective) const {
  const Result<Cost> cost = Price(collective);
  CHECK(cost.has_value(), "{}: {}", Describe(collective), cost.error().message);
  return *cost;
}

std::vector<hardware::RateInUse> FlowCollectives::RatesFor(const hardware::RunProfile& run) const {
  std::vector<hardware::RateInUse> rates = closed_form_->RatesFor(run);
  if (cluster_.nodes > 1 && run.gpus > cluster_.node.gpus) {
    const auto between = std::count_if(
        graph_.resources().begin(), graph_.resources().end(),
        [](const hardware::FabricResource& resource) { return resource.is_between_switches; });
    rates.push_back(
        {.what = fmt::format("flows over {}, all equal groups at once", cluster_.fabric.name),
         .value = fmt::format("{} shared links, {} of them between switches, {}",
                              graph_.resources().size(), between,
                              cluster_.fabric.routing == hardware::FabricRouting::kEcmp
                                  ? fmt::format("ECMP with seed {}", cluster_.network.seed)
                                  : std::string("sprayed")),
         .of_peak = 1.0,
         .source = "max-min fair shares (Bertsekas and Gallager, Data Networks, 6.5.2)"});
  }
  return rates;
}

}  // namespace ridgeline::network

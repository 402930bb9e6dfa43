#include "sim/network/shared_traffic.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "sim/network/collective_plan.h"
#include "sim/network/flow_collectives.h"
#include "sim/network/traffic_classes.h"

namespace ridgeline::network {
namespace {

using engine::FlowIndex;
using workloads::TrafficItem;

/// One message of a transfer.
struct Message {
  GpuIndex from = 0;
  GpuIndex to = 0;
  double bytes = 0.0;
};

tl::unexpected<Error> TooManyFlows(const std::string& item) {
  return Fail({.code = ErrorCode::kResourceExhausted,
               .message = fmt::format("more than {:.0f} M flows: {}", 1e-6 * kMostFlows, item),
               .hint = "fewer GPUs or repetitions, or pattern: paired"});
}

/// How a plan's time becomes flows: what is waited for, and bytes of a flow for each of its
/// volumes.
struct Pace {
  Seconds latency;
  double inflation = 1.0;
};

/// An item resolved: who, and how.
struct Resolved {
  GroupGpus group;                // of a collective
  std::vector<Message> messages;  // of a transfer
  CollectiveTraffic what;
  Pace pace;     // of a collective; of a transfer's messages inside nodes
  Pace between;  // of those between nodes
  int64_t gpus_per_node = 1;

  bool IsInside(const Message& message) const {
    return message.from / gpus_per_node == message.to / gpus_per_node;
  }
  Seconds longest_latency() const { return std::max(pace.latency, between.latency); }
};

/// One repetition, after `beginning`.
Status Append(const Resolved& item, TrafficWriter::Beginning beginning, TrafficWriter& writer) {
  const auto begin = [&](const Pace& pace) {
    beginning.delay = engine::ToPicosecondsSaturating(pace.latency);
    writer.BeginAt(beginning);
  };
  if (item.messages.empty()) {
    begin(item.pace);
    CollectiveTraffic inflated = item.what;
    inflated.bytes *= item.pace.inflation;
    RETURN_IF_ERROR(AppendCollective(inflated, item.group, writer));
    return {};
  }
  for (const bool is_inside : {true, false}) {
    const Pace& pace = is_inside ? item.pace : item.between;
    begin(pace);
    for (const Message& message : item.messages) {
      if (item.IsInside(message) == is_inside) {
        writer.Add(message.from, message.to, pace.inflation * message.bytes, 0, {},
                   RailRule::kAsSet);
      }
    }
  }
  return {};
}

Result<std::vector<Message>> MessagesOf(const TrafficItem& item, const hardware::Cluster& cluster) {
  ASSIGN_OR_RETURN(const GroupGpus from, GpusOf(item.on, cluster));
  ASSIGN_OR_RETURN(const GroupGpus to, GpusOf(item.to.value_or(workloads::GpuSet{}), cluster));
  std::vector<Message> messages;
  const double each =
      item.pattern == workloads::TransferPattern::kSpread ? static_cast<double>(to.size()) : 1.0;
  const auto queue_pairs = static_cast<double>(cluster.fabric.queue_pairs + 1);
  if (kMostFlows < static_cast<double>(from.size()) * each * queue_pairs) {
    return TooManyFlows(item.name);
  }
  if (item.pattern == workloads::TransferPattern::kSpread) {
    for (const GpuIndex sender : from) {
      const auto receivers = static_cast<double>(
          std::count_if(to.begin(), to.end(), [&](GpuIndex gpu) { return gpu != sender; }));
      for (const GpuIndex receiver : to) {
        if (receiver != sender) {
          messages.push_back(
              {.from = sender, .to = receiver, .bytes = item.bytes.base() / receivers});
        }
      }
    }
  } else if (from.size() != to.size()) {
    return InvalidArgument(
        fmt::format("{} pairs {} senders with {} receivers", item.name, from.size(), to.size()),
        "make both sides equal, or write pattern: spread");
  } else {
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i] != to[i]) {
        messages.push_back({.from = from[i], .to = to[i], .bytes = item.bytes.base()});
      }
    }
  }
  if (messages.empty()) {
    return InvalidArgument(fmt::format("{} sends from GPUs to themselves", item.name),
                           "name other receivers under to");
  }
  return messages;
}

/// What paces are found with.
struct PaceFinder {
  const hardware::Cluster& cluster;  // without contention and faults
  const hardware::FabricGraph& whole;
  const engine::TrafficRunner& runner;
  bool merges_classes;
  const PriceOf& price;
  const Stop& stop;

  /// Latency and ramp of a plan, and the bytes that take its wire where only whole ports limit
  /// them; both stretched to what the collective was measured to take. `flows`: those that it is
  /// of.
  Result<Pace> Find(const Collective& collective, const CollectivePlan& plan,
                    const Resolved& flows) const {
    TrafficWriter writer(whole, cluster, SwitchLimits::kNone);
    RETURN_IF_ERROR(Append(flows, {}, writer));
    ASSIGN_OR_RETURN(const engine::FlowTimes times,
                     RunMerged(writer.traffic(), runner, merges_classes, stop));
    double stretch = 1.0;
    if (price && Seconds{} < plan.time()) {
      ASSIGN_OR_RETURN(const Cost cost, price(collective));
      stretch = cost.mean / plan.time();
    }
    Pace pace{.latency = stretch * (plan.latency + plan.ramp), .inflation = 1.0};
    if (times.makespan > 0 && Seconds{} < plan.wire) {
      pace.inflation = stretch * plan.wire / engine::ToSeconds(times.makespan);
    }
    // Between nodes these fill ports that the closed form knows; a slower cable is the wiring's.
    const bool fills_ports = plan.algorithm == CollectiveAlgorithm::kRing ||
                             plan.algorithm == CollectiveAlgorithm::kPairwise;
    if (fills_ports && collective.group.ranks_per_node < collective.group.ranks) {
      pace.inflation = std::max(pace.inflation, 1.0);
    }
    return pace;
  }
};

Result<Resolved> Resolve(const TrafficItem& item, const PaceFinder& paces) {
  const hardware::Cluster& cluster = paces.cluster;
  Resolved resolved;
  resolved.gpus_per_node = cluster.node.gpus;
  resolved.what = {.kind = item.collective,
                   .algorithm = CollectiveAlgorithm::kPairwise,
                   .bytes = item.bytes.base()};
  if (item.collective != CollectiveKind::kSend) {
    ASSIGN_OR_RETURN(resolved.group, GpusOf(item.on, cluster));
    const Collective collective = CollectiveOf(item, cluster);
    const CollectivePlan plan = PlanOf(collective, cluster);
    resolved.what.algorithm = plan.algorithm;
    ASSIGN_OR_RETURN(resolved.pace, paces.Find(collective, plan, resolved));
    return resolved;
  }
  ASSIGN_OR_RETURN(std::vector<Message> messages, MessagesOf(item, cluster));
  for (const bool is_inside : {true, false}) {
    // Messages of a kind are alike but for who sends: the first one's pace is theirs.
    const auto first = std::find_if(messages.begin(), messages.end(), [&](const Message& message) {
      return resolved.IsInside(message) == is_inside;
    });
    if (first == messages.end()) {
      continue;
    }
    Resolved alone = resolved;
    alone.messages = {*first};
    const Collective send{.kind = CollectiveKind::kSend,
                          .bytes = Bytes::FromBase(first->bytes),
                          .group = {.ranks = 2, .ranks_per_node = is_inside ? 2 : 1}};
    ASSIGN_OR_RETURN(const Pace pace, paces.Find(send, PlanOf(send, cluster), alone));
    (is_inside ? resolved.pace : resolved.between) = pace;
  }
  resolved.messages = std::move(messages);
  return resolved;
}

}  // namespace

Result<GroupGpus> GpusOf(const workloads::GpuSet& set, const hardware::Cluster& cluster) {
  const int64_t stride = std::max<int64_t>(set.stride, 1);
  const int64_t left = std::max<int64_t>(cluster.nodes - set.first_node, 0);
  const int64_t nodes = set.nodes.value_or((left + stride - 1) / stride);
  const int64_t per_node = set.gpus_per_node.value_or(cluster.node.gpus - set.first_gpu);
  if (nodes < 1 || set.first_node + (nodes - 1) * stride >= cluster.nodes) {
    return InvalidArgument(fmt::format("{} nodes from node {} on, {} apart, on a cluster of {}",
                                       nodes, set.first_node, stride, cluster.nodes),
                           "nodes count from 0: lower first_node, nodes or stride");
  }
  if (per_node < 1 || set.first_gpu + per_node > cluster.node.gpus) {
    return InvalidArgument(fmt::format("{} GPUs a node from GPU {} on, on nodes of {}", per_node,
                                       set.first_gpu, cluster.node.gpus),
                           "GPUs count from 0: lower first_gpu or gpus_per_node");
  }
  GroupGpus gpus;
  for (int64_t node = 0; node < nodes; ++node) {
    for (int64_t gpu = 0; gpu < per_node; ++gpu) {
      gpus.push_back((set.first_node + node * stride) * cluster.node.gpus + set.first_gpu + gpu);
    }
  }
  return gpus;
}

Collective CollectiveOf(const TrafficItem& item, const hardware::Cluster& cluster) {
  const workloads::GpuSet& on = item.on;
  const int64_t left = std::max<int64_t>(cluster.nodes - on.first_node, 0);
  const int64_t nodes = on.nodes.value_or((left + on.stride - 1) / on.stride);
  const int64_t per_node = on.gpus_per_node.value_or(cluster.node.gpus - on.first_gpu);
  return {
      .kind = item.collective,
      .bytes = item.bytes,
      .group = {.ranks = nodes * per_node, .ranks_per_node = per_node, .node_stride = on.stride}};
}

Result<TrafficPlan> PlanTraffic(std::span<const TrafficItem> items,
                                const hardware::Cluster& cluster,
                                const hardware::FabricGraph& graph,
                                const engine::TrafficRunner& runner, bool merges_classes,
                                const Stop& stop, const PriceOf& price) {
  // What an item takes by itself is of ports that are whole.
  const hardware::Cluster alone = WithoutContention(cluster);
  std::optional<hardware::FabricGraph> mended;
  if (!cluster.fabric.faults.empty()) {
    ASSIGN_OR_RETURN(mended, hardware::FabricGraph::Of(alone));
  }
  const PaceFinder paces{.cluster = alone,
                         .whole = mended ? *mended : graph,
                         .runner = runner,
                         .merges_classes = merges_classes,
                         .price = price,
                         .stop = stop};
  TrafficWriter writer(graph, cluster, SwitchLimits::kReal);
  std::vector<PlannedItem> planned;
  for (const TrafficItem& item : items) {
    ASSIGN_OR_RETURN(const Resolved resolved, Resolve(item, paces));
    PlannedItem& plan = planned.emplace_back();
    plan.algorithm = resolved.what.algorithm;
    plan.latency = resolved.longest_latency();
    TrafficWriter::Beginning beginning{
        .start = engine::ToPicosecondsSaturating(item.start), .delay = 0, .after = {}};
    for (int64_t run = 0; run < item.repeat; ++run) {
      RETURN_IF_ERROR(stop.Check());
      const FlowIndex begin = writer.num_flows();
      if (kMostFlows < static_cast<double>(begin)) {
        return TooManyFlows(item.name);
      }
      RETURN_IF_ERROR(Append(resolved, beginning, writer));
      plan.runs.push_back({.begin = begin, .end = writer.num_flows()});
      if (run + 1 == item.repeat || begin == writer.num_flows()) {
        continue;
      }
      std::vector<FlowIndex> flows;
      for (FlowIndex flow = begin; flow < writer.num_flows(); ++flow) {
        flows.push_back(flow);
      }
      beginning.after = {writer.AddGate(flows)};
    }
  }
  return TrafficPlan{.traffic = std::move(writer).Take(), .items = std::move(planned)};
}

std::vector<std::vector<ItemRun>> RunsOf(const TrafficPlan& plan, const engine::FlowTimes& times,
                                         std::span<const TrafficItem> items) {
  std::vector<std::vector<ItemRun>> runs(plan.items.size());
  for (size_t i = 0; i < plan.items.size(); ++i) {
    engine::Picoseconds begin = engine::ToPicosecondsSaturating(items[i].start);
    for (const FlowRange& range : plan.items[i].runs) {
      engine::Picoseconds end = begin;
      for (FlowIndex flow = range.begin; flow < range.end; ++flow) {
        end = std::max(end, times.end[static_cast<size_t>(flow)]);
      }
      runs[i].push_back({.begin = engine::ToSeconds(begin), .end = engine::ToSeconds(end)});
      begin = end;
    }
  }
  return runs;
}

Result<std::vector<std::vector<ItemRun>>> RunTraffic(std::span<const TrafficItem> items,
                                                     const hardware::Cluster& cluster,
                                                     const hardware::FabricGraph& graph,
                                                     const engine::TrafficRunner& runner,
                                                     bool merges_classes, const Stop& stop,
                                                     const PriceOf& price) {
  ASSIGN_OR_RETURN(const TrafficPlan plan,
                   PlanTraffic(items, cluster, graph, runner, merges_classes, stop, price));
  if (plan.traffic.num_flows() == 0) {
    return RunsOf(plan, {}, items);
  }
  ASSIGN_OR_RETURN(const engine::FlowTimes times,
                   RunMerged(plan.traffic, runner, merges_classes, stop));
  return RunsOf(plan, times, items);
}

}  // namespace ridgeline::network

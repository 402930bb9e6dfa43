#include "sim/network/shared_traffic.h"

#include <algorithm>
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

/// An item resolved: who, how, and the bytes of a flow for each byte of the volumes.
struct Resolved {
  GroupGpus group;                // of a collective
  std::vector<Message> messages;  // of a transfer
  CollectiveTraffic what;
  Seconds latency;
  double inflation = 1.0;
};

Result<engine::FlowTimes> Execute(const engine::Traffic& traffic,
                                  const engine::TrafficRunner& runner, bool merges_classes,
                                  const Stop& stop) {
  return merges_classes ? RunCollapsed(traffic, runner, stop) : runner.Run(traffic, stop);
}

Status Append(const Resolved& item, TrafficWriter& writer) {
  for (const Message& message : item.messages) {
    writer.Add(message.from, message.to, item.inflation * message.bytes, 0, {}, RailRule::kAsSet);
  }
  if (item.messages.empty()) {
    CollectiveTraffic inflated = item.what;
    inflated.bytes *= item.inflation;
    RETURN_IF_ERROR(AppendCollective(inflated, item.group, writer));
  }
  return {};
}

Result<std::vector<Message>> MessagesOf(const TrafficItem& item, const hardware::Cluster& cluster) {
  ASSIGN_OR_RETURN(const GroupGpus from, GpusOf(item.on, cluster));
  ASSIGN_OR_RETURN(const GroupGpus to, GpusOf(item.to.value_or(workloads::GpuSet{}), cluster));
  std::vector<Message> messages;
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

/// The plan's view of an item: a collective over its group, or one message of its first pair.
Collective PlannedOf(const TrafficItem& item, const Resolved& resolved,
                     const hardware::Cluster& cluster) {
  if (!resolved.messages.empty()) {
    const Message& first = resolved.messages.front();
    const bool is_one_node = first.from / cluster.node.gpus == first.to / cluster.node.gpus;
    return {.kind = CollectiveKind::kSend,
            .bytes = Bytes::FromBase(first.bytes),
            .group = {.ranks = 2, .ranks_per_node = is_one_node ? 2 : 1}};
  }
  const auto ranks = static_cast<int64_t>(resolved.group.size());
  const int64_t per_node = item.on.gpus_per_node.value_or(cluster.node.gpus);
  return {.kind = item.collective,
          .bytes = item.bytes,
          .group = {.ranks = ranks,
                    .ranks_per_node = std::min(ranks, per_node),
                    .node_stride = item.on.stride}};
}

Result<Resolved> Resolve(const TrafficItem& item, const hardware::Cluster& cluster,
                         const hardware::FabricGraph& graph, const engine::TrafficRunner& runner,
                         bool merges_classes, const Stop& stop) {
  Resolved resolved;
  if (item.collective == CollectiveKind::kSend) {
    ASSIGN_OR_RETURN(resolved.messages, MessagesOf(item, cluster));
  } else {
    ASSIGN_OR_RETURN(resolved.group, GpusOf(item.on, cluster));
  }
  const Collective planned = PlannedOf(item, resolved, cluster);
  const CollectivePlan plan = PlanOf(planned, WithoutContention(cluster));
  resolved.latency = plan.latency + plan.ramp;
  resolved.what = {
      .kind = item.collective, .algorithm = plan.algorithm, .bytes = item.bytes.base()};

  // What the plan's bytes take where only ports limit them: of a transfer, its first message.
  TrafficWriter writer(graph, cluster, SwitchLimits::kNone);
  Resolved alone = resolved;
  alone.messages.resize(std::min<size_t>(alone.messages.size(), 1));
  RETURN_IF_ERROR(Append(alone, writer));
  ASSIGN_OR_RETURN(const engine::FlowTimes times,
                   Execute(writer.traffic(), runner, merges_classes, stop));
  if (times.makespan > 0 && Seconds{} < plan.wire) {
    resolved.inflation = plan.wire / engine::ToSeconds(times.makespan);
  }
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

Result<TrafficPlan> PlanTraffic(std::span<const TrafficItem> items,
                                const hardware::Cluster& cluster,
                                const hardware::FabricGraph& graph,
                                const engine::TrafficRunner& runner, bool merges_classes,
                                const Stop& stop) {
  TrafficWriter writer(graph, cluster, SwitchLimits::kReal);
  std::vector<PlannedItem> planned;
  for (const TrafficItem& item : items) {
    ASSIGN_OR_RETURN(const Resolved resolved,
                     Resolve(item, cluster, graph, runner, merges_classes, stop));
    PlannedItem& plan = planned.emplace_back();
    plan.algorithm =
        resolved.messages.empty() ? resolved.what.algorithm : CollectiveAlgorithm::kPairwise;
    plan.latency = resolved.latency;
    TrafficWriter::Beginning beginning{.start = engine::ToPicosecondsSaturating(item.start),
                                       .delay = engine::ToPicosecondsSaturating(plan.latency),
                                       .after = {}};
    for (int64_t run = 0; run < item.repeat; ++run) {
      RETURN_IF_ERROR(stop.Check());
      writer.BeginAt(beginning);
      const FlowIndex begin = writer.num_flows();
      RETURN_IF_ERROR(Append(resolved, writer));
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
                                                     bool merges_classes, const Stop& stop) {
  ASSIGN_OR_RETURN(const TrafficPlan plan,
                   PlanTraffic(items, cluster, graph, runner, merges_classes, stop));
  if (plan.traffic.num_flows() == 0) {
    return RunsOf(plan, {}, items);
  }
  ASSIGN_OR_RETURN(const engine::FlowTimes times, merges_classes
                                                      ? RunCollapsed(plan.traffic, runner, stop)
                                                      : runner.Run(plan.traffic, stop));
  return RunsOf(plan, times, items);
}

}  // namespace ridgeline::network

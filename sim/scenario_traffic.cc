#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "sim/scenario_blocks.h"

namespace ridgeline::sim {
namespace {

/// Fills in what the set leaves open and checks that the cluster has it.
void ResolveSet(workloads::GpuSet& set, const hardware::Cluster& cluster, const std::string& path,
                const Node& document, Diagnostics& diagnostics) {
  const auto refuse = [&](std::string key, std::string message, std::string hint) {
    diagnostics.Add(
        ErrorAt(document, path + "." + std::move(key), std::move(message), std::move(hint)));
  };
  if (set.first_node >= cluster.nodes) {
    refuse("first_node",
           fmt::format("node {} of {}: {}", set.first_node, cluster.nodes, cluster.name),
           fmt::format("nodes are counted from 0: the last is {}", cluster.nodes - 1));
    return;
  }
  const int64_t reachable = (cluster.nodes - set.first_node + set.stride - 1) / set.stride;
  if (!set.nodes) {
    set.nodes = reachable;
  } else if (*set.nodes > reachable) {
    refuse("nodes",
           fmt::format("{} nodes from node {} on, every {}: the cluster has {}", *set.nodes,
                       set.first_node, set.stride, cluster.nodes),
           fmt::format("use at most {}", reachable));
  }
  const int64_t left = cluster.node.gpus - set.first_gpu;
  if (left < 1) {
    refuse("first_gpu",
           fmt::format("GPU {} of {}: {}", set.first_gpu, cluster.node.gpus, cluster.node.name),
           fmt::format("GPUs are counted from 0: the last is {}", cluster.node.gpus - 1));
  } else if (!set.gpus_per_node) {
    set.gpus_per_node = left;
  } else if (*set.gpus_per_node > left) {
    refuse("gpus_per_node",
           fmt::format("{} GPUs a node from GPU {} on, {} has {}", *set.gpus_per_node,
                       set.first_gpu, cluster.node.name, cluster.node.gpus),
           fmt::format("use at most {}", left));
  }
}

/// Both sets are resolved.
void CheckTransfer(const workloads::TrafficItem& item, const std::string& path,
                   const Node& document, Diagnostics& diagnostics) {
  const int64_t senders = *item.on.nodes * *item.on.gpus_per_node;
  const int64_t receivers = *item.to->nodes * *item.to->gpus_per_node;
  const bool is_paired = item.pattern == workloads::TransferPattern::kPaired;
  if (is_paired && senders != receivers) {
    diagnostics.Add(
        ErrorAt(document, path + ".to",
                fmt::format("{} pairs {} senders with {} receivers", item.name, senders, receivers),
                "make both sides equal, or write pattern: spread"));
  } else if (item.on == *item.to && (is_paired || senders == 1)) {
    diagnostics.Add(ErrorAt(document, path + ".to", item.name + " sends from GPUs to themselves",
                            "name other receivers under to"));
  }
}

}  // namespace

std::vector<workloads::TrafficItem> ResolveTraffic(const std::vector<workloads::TrafficItem>& items,
                                                   const std::optional<hardware::Cluster>& cluster,
                                                   const Node& document, Diagnostics& diagnostics) {
  const size_t before = diagnostics.size();
  std::vector<workloads::TrafficItem> resolved = items;
  std::set<std::string_view> names;
  for (size_t i = 0; i < resolved.size(); ++i) {
    workloads::TrafficItem& item = resolved[i];
    const std::string path = fmt::format("traffic[{}]", i);
    if (!names.insert(items[i].name).second) {
      diagnostics.Add(ErrorAt(document, path + ".name", "a second item of that name: " + item.name,
                              "the answer tells items apart by their names"));
    }
    if (!cluster) {
      continue;
    }
    ResolveSet(item.on, *cluster, path + ".on", document, diagnostics);
    if (item.to) {
      ResolveSet(*item.to, *cluster, path + ".to", document, diagnostics);
      if (diagnostics.size() == before) {
        CheckTransfer(item, path, document, diagnostics);
      }
    }
  }
  return diagnostics.size() == before ? resolved : std::vector<workloads::TrafficItem>{};
}

}  // namespace ridgeline::sim

#include "hardware/sample_cluster.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "hardware/name_range.h"

namespace ridgeline::hardware {
namespace {

/// The highest number in the part of a port pattern after `word`: 15 of "node[0-15].nic3"; -1 for
/// none ("[*]").
int64_t HighestAfter(std::string_view pattern, std::string_view word) {
  const size_t begin = pattern.find(word);
  if (begin == std::string_view::npos) {
    return -1;
  }
  std::string_view rest = pattern.substr(begin + word.size());
  rest = rest.substr(0, rest.find_first_of(".]"));
  const size_t digits = rest.find_last_not_of("0123456789");
  rest = digits == std::string_view::npos ? rest : rest.substr(digits + 1);
  int64_t value = -1;
  std::from_chars(rest.data(), rest.data() + rest.size(), value);
  return value;
}

struct NamedPorts {
  int64_t nodes = 0;  // 0: all, however many there are
  int64_t nics = 0;
};

NamedPorts PortsNamedBy(const Fabric& fabric) {
  NamedPorts named;
  for (const WiredLink& link : fabric.links) {
    for (const WiringName* side : {&link.from, &link.to}) {
      if (IsPortPattern(side->text)) {
        named.nodes = std::max(named.nodes, HighestAfter(side->text, "node") + 1);
        named.nics = std::max(named.nics, HighestAfter(side->text, ".nic") + 1);
      }
    }
  }
  return named;
}

int64_t NodesThatShow(const Fabric& fabric) {
  switch (fabric.kind) {
    case FabricKind::kNone:
      return 1;
    case FabricKind::kTorus: {
      int64_t places = 1;
      for (const int64_t size : fabric.dimensions) {
        places = std::min<int64_t>(places * size, 1'000'000);
      }
      return places;
    }
    case FabricKind::kDragonflyPlus:
      return 3 * *fabric.nodes_per_pod;
    case FabricKind::kCustom: {
      const int64_t named = PortsNamedBy(fabric).nodes;
      return named > 0 ? named : 4;
    }
    case FabricKind::kRailOptimized:
    case FabricKind::kFatTree:
      break;
  }
  if (fabric.nodes_per_pod) {
    return 2 * *fabric.nodes_per_pod;
  }
  // Pods of switches with so many ports have half as many leaves.
  const int64_t leaves = fabric.tiers == 3 ? fabric.switch_ports.value_or(4) : 2;
  return leaves * fabric.nodes_per_leaf;
}

/// Of how good use a node is to show this fabric; 0: of none.
int Fitness(const Node& node, const Fabric& fabric) {
  const double leaf_ports = static_cast<double>(fabric.nodes_per_leaf * node.nics.count);
  const bool fits_leaf =
      fabric.kind != FabricKind::kFatTree || !fabric.switch_ports ||
      leaf_ports * (1 + 1 / fabric.oversubscription) <= static_cast<double>(*fabric.switch_ports);
  const bool fits_rails = node.nics.count > 0 && node.nics.count % fabric.rails.value_or(1) == 0;
  if (!fits_leaf || !fits_rails) {
    return 0;
  }
  return 1 + (node.nics.count == node.gpus ? 1 : 0) +
         (node.nics.bandwidth == fabric.bandwidth ? 2 : 0);
}

Result<Node> NodeFor(const Catalog& catalog, const Fabric& fabric) {
  std::optional<Node> best;
  for (const std::string& name : catalog.Names("nodes")) {
    Reference<Node> reference;
    reference.name = name;
    Result<Node> node = catalog.ResolveNode(reference);
    if (node && Fitness(*node, fabric) > (best ? Fitness(*best, fabric) : 0)) {
      best = *std::move(node);
    }
  }
  if (!best) {
    return NotFound("no node to build the fabric with: " + fabric.name,
                    "add one to configs/nodes whose ports its leaves hold");
  }
  best->nics.bandwidth = fabric.bandwidth;
  return *std::move(best);
}

}  // namespace

Result<Cluster> SampleCluster(const Catalog& catalog, const Fabric& fabric,
                              std::optional<int64_t> nodes) {
  Cluster cluster;
  cluster.fabric = fabric;
  cluster.nodes = nodes.value_or(NodesThatShow(fabric));
  ASSIGN_OR_RETURN(cluster.node, NodeFor(catalog, fabric));
  ASSIGN_OR_RETURN(cluster.gpu, catalog.ResolveGpu(cluster.node.gpu));
  if (const int64_t nics = PortsNamedBy(fabric).nics; nics > 0 && nics <= 1024) {
    cluster.node.gpus = static_cast<int>(nics);
    cluster.node.nics.count = static_cast<int>(nics);
  }
  cluster.name = fmt::format("{} x {}, {}", cluster.nodes, cluster.node.name, fabric.name);
  return cluster;
}

}  // namespace ridgeline::hardware

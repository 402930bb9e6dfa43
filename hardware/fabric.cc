#include "hardware/fabric.h"

#include <array>

namespace ridgeline::hardware {
namespace {

using Document = ::ridgeline::Node;

constexpr std::array<std::pair<std::string_view, FabricKind>, 6> kFabricKinds = {
    {{"none", FabricKind::kNone},
     {"rail-optimized", FabricKind::kRailOptimized},
     {"fat-tree", FabricKind::kFatTree},
     {"dragonfly-plus", FabricKind::kDragonflyPlus},
     {"torus", FabricKind::kTorus},
     {"custom", FabricKind::kCustom}}};

constexpr std::array<std::pair<std::string_view, FabricRouting>, 2> kRoutings = {
    {{"adaptive", FabricRouting::kAdaptive}, {"ecmp", FabricRouting::kEcmp}}};

void CheckSustained(const Fabric& fabric, const Document& node, const DecodeContext& context) {
  if (fabric.sustained && fabric.bandwidth < fabric.sustained->high) {
    context.Key("sustained")
        .Fail(node,
              fmt::format("sustained above the port's bandwidth of {}: {}",
                          Format(fabric.bandwidth), Format(fabric.sustained->high)),
              "nothing sustains more than its peak: check both figures");
  }
}

/// The value's own place where it was written, else the map's.
const Document& ValueOr(const Document& node, std::string_view key) {
  const Document* value = node.Find(key);
  return value != nullptr ? *value : node;
}

void CheckPods(const Fabric& fabric, const Document& node, const DecodeContext& context) {
  if (fabric.nodes_per_pod && *fabric.nodes_per_pod % fabric.nodes_per_leaf != 0) {
    context.Key("nodes_per_pod")
        .Fail(ValueOr(node, "nodes_per_pod"),
              fmt::format("a pod that is no whole number of leaves of {} nodes: {}",
                          fabric.nodes_per_leaf, *fabric.nodes_per_pod),
              fmt::format("make it a multiple of {}", fabric.nodes_per_leaf));
  }
  if (fabric.kind == FabricKind::kDragonflyPlus && !fabric.nodes_per_pod) {
    context.Fail(node, "a dragonfly without groups",
                 "say how many nodes a group has: nodes_per_pod: 64");
  }
  if (fabric.tiers == 3 && !fabric.nodes_per_pod && !fabric.switch_ports) {
    context.Key("tiers").Fail(
        ValueOr(node, "tiers"), "three tiers without pods",
        "say how many nodes a pod has (nodes_per_pod: 128), or how many ports a switch has "
        "(switch_ports: 64)");
  }
  if (fabric.tiers == 2 && fabric.nodes_per_pod) {
    context.Key("nodes_per_pod")
        .Fail(ValueOr(node, "nodes_per_pod"), "pods in a tree of two tiers",
              "leave out nodes_per_pod, or write tiers: 3");
  }
}

void CheckKind(const Fabric& fabric, const Document& node, const DecodeContext& context) {
  const auto refuse = [&](std::string_view key, std::string_view owner) {
    context.Key(key).Fail(ValueOr(node, key), fmt::format("{} belongs to kind: {}", key, owner),
                          fmt::format("leave it out, or write kind: {}", owner));
  };
  if (fabric.kind == FabricKind::kTorus) {
    if (fabric.dimensions.empty() || fabric.dimensions.size() > 4) {
      context.Key("dimensions")
          .Fail(ValueOr(node, "dimensions"), "a torus without its sizes",
                "write dimensions: [8, 8], or [8, 8, 4] for three");
    }
    for (const int64_t size : fabric.dimensions) {
      if (size < 1 || size > 4096) {
        context.Key("dimensions")
            .Fail(ValueOr(node, "dimensions"), fmt::format("a torus of such a size: {}", size),
                  "each dimension has from 1 to 4096 nodes");
      }
    }
  } else if (!fabric.dimensions.empty()) {
    refuse("dimensions", "torus");
  }
  if (fabric.kind != FabricKind::kRailOptimized && fabric.rails) {
    refuse("rails", "rail-optimized");
  }
  if (fabric.kind == FabricKind::kCustom) {
    if (fabric.switches.empty() || fabric.links.empty()) {
      context.Fail(node, "a custom fabric without its wiring",
                   "write switches: [\"leaf[0-3]\"] and links: [{from: \"node[0-7].nic[0-7]\", to: "
                   "leaf0}]");
    }
  } else if (!fabric.switches.empty()) {
    refuse("switches", "custom");
  } else if (!fabric.links.empty()) {
    refuse("links", "custom");
  }
}

}  // namespace

EnumTable<FabricKind> EnumNames(Tag<FabricKind>) { return kFabricKinds; }
EnumTable<FabricRouting> EnumNames(Tag<FabricRouting>) { return kRoutings; }

const Schema<Fabric>& SchemaOf(Tag<Fabric>) {
  static const Schema<Fabric> schema =
      Schema<Fabric>("the network between nodes")
          .Optional("name", &Fabric::name, "as in configs/fabrics; the file's name by default")
          .Optional("title", &Fabric::title, "for people")
          .Optional("aliases", &Fabric::aliases, "other names")
          .Optional("kind", &Fabric::kind,
                    "how leaves and ports are wired; says which fabric is a default")
          .Required("bandwidth", &Fabric::bandwidth, "of one port, each way",
                    {.above = BytesPerSecond{}})
          .Optional("sustained", &Fabric::sustained, "what NCCL gets through one port")
          .Optional("oversubscription", &Fabric::oversubscription,
                    "downlink over uplink capacity of a leaf", {.at_least = 1.0})
          .Optional("nodes_per_leaf", &Fabric::nodes_per_leaf,
                    "nodes that reach each other below the uplinks", {.at_least = 1})
          .Optional("rails", &Fabric::rails,
                    "leaves over which a node's ports are dealt in turn; one a port by default "
                    "(rail-optimized)",
                    {.at_least = 1, .at_most = 1024})
          .Optional("pod_oversubscription", &Fabric::pod_oversubscription,
                    "what the leaves of a pod send up over what leaves the pod", {.at_least = 1.0})
          .Optional("nodes_per_pod", &Fabric::nodes_per_pod,
                    "nodes below one set of spines, in trees of three tiers; a dragonfly's group",
                    {.at_least = 1})
          .Optional("tiers", &Fabric::tiers,
                    "of switches in a tree; as many as the nodes need by default",
                    {.at_least = 2, .at_most = 3})
          .Optional("switch_ports", &Fabric::switch_ports,
                    "of every switch; as many as are needed by default", {.at_least = 2})
          .Optional("spines", &Fabric::spines,
                    "of a pod, or of a whole tree of two tiers; from the ports by default",
                    {.at_least = 1, .at_most = 65536})
          .Optional("cores", &Fabric::cores, "switches above the pods; from the ports by default",
                    {.at_least = 1, .at_most = 65536})
          .Optional("dimensions", &Fabric::dimensions, "nodes along each side of a torus")
          .Required("latency", &Fabric::latency, "one way between two nodes, software excluded",
                    {.at_least = Seconds{}})
          .Optional("hop_latency", &Fabric::hop_latency,
                    "what each link between switches adds; drawn and summed along routes, not in "
                    "times yet",
                    {.at_least = Seconds{}})
          .Optional("routing", &Fabric::routing,
                    "adaptive: sprayed over all shortest paths; ecmp: one path a flow, by a hash")
          .Optional("queue_pairs", &Fabric::queue_pairs,
                    "over which a flow's bytes are spread, each with its own hash (ecmp)",
                    {.at_least = 1, .at_most = 1024})
          .Optional("switches", &Fabric::switches, "of a custom fabric: leaf[0-3]")
          .Optional("links", &Fabric::links, "of a custom fabric")
          .Optional("loops", &Fabric::loops,
                    "links between switches of one tier may close a loop (custom fabrics)")
          .Optional("faults", &Fabric::faults, "links and switches that are degraded or down")
          .Optional("sources", &Fabric::sources, "key -> where the figure was read")
          .Rule(CheckSustained)
          .Rule(CheckPods)
          .Rule(CheckKind);
  return schema;
}

double OversubscriptionOver(const Fabric& fabric, double nodes) {
  double factor = 1.0;
  if (nodes > static_cast<double>(fabric.nodes_per_leaf)) {
    factor *= fabric.oversubscription;
  }
  if (fabric.nodes_per_pod && nodes > static_cast<double>(*fabric.nodes_per_pod)) {
    factor *= fabric.pod_oversubscription;
  }
  return factor;
}

}  // namespace ridgeline::hardware

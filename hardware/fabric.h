/// The network between nodes: what it is built of and how it is wired, as written. fabric_graph.h
/// makes the graph of it; the closed forms read only the port, the latency and the
/// oversubscription.
///
/// Trees (rail-optimized, fat-tree) have leaves, spines and, above pods, cores. A leaf serves
/// `nodes_per_leaf` nodes: all their ports (fat-tree), or one port each (rail-optimized, so that a
/// node reaches as many leaves as it has ports). dragonfly-plus: pods of leaves and spines whose
/// spines are joined pod to pod. torus: a router a node, whose ports are dealt over its 2 x
/// dimensions neighbours. custom: `switches` and `links` say it all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/units.h"
#include "hardware/fabric_wiring.h"
#include "hardware/gpu.h"

namespace ridgeline::hardware {

enum class FabricKind { kNone, kRailOptimized, kFatTree, kDragonflyPlus, kTorus, kCustom };
EnumTable<FabricKind> EnumNames(Tag<FabricKind>);

/// Adaptive: packets are sprayed over all shortest paths. ECMP: a flow keeps to one cable of each
/// switch, picked by a hash.
enum class FabricRouting { kAdaptive, kEcmp };
EnumTable<FabricRouting> EnumNames(Tag<FabricRouting>);

struct Fabric {
  std::string name;
  std::string title;
  std::vector<std::string> aliases;
  FabricKind kind = FabricKind::kRailOptimized;
  BytesPerSecond bandwidth;                            // of one port, each way
  std::optional<Sustained<BytesPerSecond>> sustained;  // what NCCL gets through one port
  double oversubscription = 1.0;                       // downlink over uplink capacity of a leaf
  int64_t nodes_per_leaf = 32;                         // that reach each other below the uplinks
  double pod_oversubscription = 1.0;  // what the leaves of a pod send up over what leaves the pod
  std::optional<int64_t> rails;       // leaves over which a node's ports are dealt; one a port
  std::optional<int64_t> nodes_per_pod;  // trees of three tiers, dragonfly groups
  std::optional<int64_t> tiers;          // 2 or 3; default: as many as are needed
  std::optional<int64_t> switch_ports;   // of every switch; default: as many as are needed
  std::optional<int64_t> spines;         // of a pod, or of a tree of two tiers
  std::optional<int64_t> cores;
  std::vector<int64_t> dimensions;  // of a torus: {8, 8}
  Seconds latency;                  // one way between two nodes, software excluded
  Seconds hop_latency;              // what each link between switches adds to it
  FabricRouting routing = FabricRouting::kAdaptive;
  int64_t queue_pairs = 1;  // over which a flow's bytes are spread, each with its own hash (ECMP)
  std::vector<WiringName> switches;  // custom
  std::vector<WiredLink> links;      // custom
  bool loops = false;                // custom: links of one tier may close a circle
  std::vector<FabricFault> faults;
  Sources sources;
  WrittenAt written;  // of the name or map that gave it; not a key
  friend bool operator==(const Fabric&, const Fabric&) = default;
};

const Schema<Fabric>& SchemaOf(Tag<Fabric>);

/// By how much a port's rate shrinks, at worst, in a group over so many nodes: beyond a leaf by the
/// leaf's oversubscription, beyond a pod by the pod's as well.
double OversubscriptionOver(const Fabric& fabric, double nodes);

}  // namespace ridgeline::hardware

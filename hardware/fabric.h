/// The network between nodes. In this version a fabric is described by its kind and a few figures;
/// the graph with routes comes with the flow-level network and will be built from the same
/// description.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/units.h"
#include "hardware/gpu.h"

namespace ridgeline::hardware {

enum class FabricKind { kNone, kRailOptimized, kFatTree };
EnumTable<FabricKind> EnumNames(Tag<FabricKind>);

struct Fabric {
  std::string name;
  std::string title;
  std::vector<std::string> aliases;
  FabricKind kind = FabricKind::kRailOptimized;
  BytesPerSecond bandwidth;                            // of one port, each way
  std::optional<Sustained<BytesPerSecond>> sustained;  // what NCCL gets through one port
  double oversubscription = 1.0;                       // downlink over uplink capacity of a leaf
  int64_t nodes_per_leaf = 32;                         // that reach each other below the uplinks
  Seconds latency;  // one way between two nodes, software excluded
  Sources sources;
  friend bool operator==(const Fabric&, const Fabric&) = default;
};

const Schema<Fabric>& SchemaOf(Tag<Fabric>);

}  // namespace ridgeline::hardware

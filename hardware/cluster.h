/// Nodes, how many, and the fabric between them: as written, and as resolved against the catalog.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "hardware/fabric.h"
#include "hardware/gpu.h"
#include "hardware/measured_costs.h"
#include "hardware/network_model.h"
#include "hardware/node.h"

namespace ridgeline::hardware {

/// The `cluster:` block of a scenario, or a file in configs/clusters.
struct ClusterDescription {
  std::string name;  // only in catalog files
  std::string title;
  std::vector<std::string> aliases;
  Reference<Node> nodes;
  int64_t count = 1;
  Reference<Fabric> fabric;  // default, when count > 1: ports as fast as the node's (README)
  Sources sources;
  friend bool operator==(const ClusterDescription&, const ClusterDescription&) = default;
};
const Schema<ClusterDescription>& SchemaOf(Tag<ClusterDescription>);

struct CollectiveLibrary;

/// Everything resolved: what costs are computed from.
struct Cluster {
  std::string name;  // as a person would say it: "64 x dgx-h100, rail-optimized-400g"
  Gpu gpu;
  Node node;
  int64_t nodes = 1;
  Fabric fabric;  // kind kNone for a single node
  /// How what crosses its links is priced: the scenario's `network:` block.
  NetworkModel network;
  /// What `network.library` names: whoever changes the name resolves it again
  /// (Catalog::ResolveCollectives). Shared; never null once resolved.
  std::shared_ptr<const CollectiveLibrary> collectives = nullptr;
  /// Shared: one profile's tables serve every cluster of its GPU. Null: nothing was measured.
  std::shared_ptr<const MeasuredCosts> measured = nullptr;
  bool takes_measured_only = false;  // an answer that rests on other costs is refused
  int64_t gpus() const { return nodes * node.gpus; }
};

}  // namespace ridgeline::hardware

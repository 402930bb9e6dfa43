/// Clusters of the shipped catalog for tests of collectives.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "hardware/catalog.h"
#include "sim/network/group_links.h"
#include "tests/hardware/shipped_catalog.h"

namespace ridgeline::network {

/// "{nodes: dgx-h100, count: 4}", with a library.
inline hardware::Cluster ClusterOf(const std::string& text,
                                   const std::string& library = "nccl-2.30.7") {
  const hardware::Catalog catalog = hardware::ShippedCatalog();
  hardware::Cluster cluster = catalog
                                  .ResolveCluster(hardware::Written<hardware::ClusterDescription>(
                                      "cluster: " + text, "cluster"))
                                  .value();
  cluster.network.library = library;
  cluster.collectives = catalog.ResolveCollectives(library).value();
  return cluster;
}

/// The same without what measurements correct: the library's own model.
inline hardware::Cluster Uncorrected(hardware::Cluster cluster) {
  hardware::CollectiveLibrary library = *cluster.collectives;
  library.corrections = {};
  cluster.collectives = std::make_shared<const hardware::CollectiveLibrary>(std::move(library));
  return cluster;
}

/// Nodes whose network is as fast as the library assumes: nothing is added to a step.
inline hardware::Cluster NearCluster(const std::string& node, int count) {
  return ClusterOf("{nodes: " + node + ", count: " + std::to_string(count) +
                   ", fabric: {base: rail-optimized-400g, latency: 2.7 us}}");
}

}  // namespace ridgeline::network

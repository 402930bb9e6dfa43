/// What a cluster's links carry for one GPU: peaks, what NCCL sustains, and where that was read.
#pragma once

#include <string>

#include "base/units.h"
#include "hardware/cluster.h"

namespace ridgeline::network {

/// One GPU's port of one kind, one direction.
struct PortRate {
  BytesPerSecond peak;
  BytesPerSecond mean;  // sustained; the peak when no sustained rate is cited
  BytesPerSecond low;
  std::string what;    // "NVLink of h100-sxm"
  std::string source;  // of the sustained rate
  bool is_nvlink = false;
};

/// The port between GPUs of a node in a group with `per_node` ranks on it. NVLink where switches
/// join all GPUs, or a bridge a pair; PCIe otherwise.
PortRate InsidePort(const hardware::Cluster& cluster, double per_node);

/// One GPU's share of the node's network ports: ports x bandwidth / GPUs, where a port runs at the
/// slower of the card and the fabric. Switches above the leaves are left out: by how much they are
/// oversubscribed says hardware::OversubscriptionOver. Requires a cluster of more than one node.
PortRate AcrossPort(const hardware::Cluster& cluster);

}  // namespace ridgeline::network

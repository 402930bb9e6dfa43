/// What joins the GPUs and network ports of one node: which vertices it has and which links lead
/// where, counted from the node's first vertex and link. All nodes of a cluster are alike.
///
/// nvswitch: GPUs meet in one vertex for all NVSwitches, which carries what the GPUs' ports carry;
/// network ports hang on a PCIe switch for each GPU (or group of GPUs) and its port.
/// nvlink-bridge: pairs meet by the bridge, all by the host over PCIe; ports hang on the host.
/// pcie: GPUs meet in the host, and ports hang on it.
///
/// The host stands for sockets, memory and what joins them: no figure of theirs is cited, so that
/// only a GPU's own PCIe port limits it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/units.h"
#include "hardware/cluster.h"

namespace ridgeline::hardware {

class FabricGraphBuilder;

/// Rates of one network port: the slower of card and fabric.
struct PortCapacity {
  BytesPerSecond peak;
  BytesPerSecond sustained;
};
PortCapacity PortOf(const Cluster& cluster);
/// Of a cable between switches: the fabric's port alone.
PortCapacity CableOf(const Fabric& fabric);

struct NodeInterior {
  /// Links of one GPU; -1 where there is none.
  struct GpuLinks {
    int32_t to_plane = -1;  // NVSwitch, or host
    int32_t from_plane = -1;
    int32_t to_hub = -1;  // PCIe switch, or host
    int32_t from_hub = -1;
    int32_t bridge = -1;  // to the other GPU of a bridged pair
    int32_t nic = -1;     // index of the port vertex that is its own
  };
  struct NicLinks {
    int32_t from_hub = -1;
    int32_t to_hub = -1;
  };
  std::vector<GpuLinks> gpus;
  std::vector<NicLinks> nics;  // port vertices; each is all ports of one group of GPUs
  int32_t ports_per_nic = 0;   // cards behind one port vertex
  int32_t num_vertices = 0;    // of one node
  int32_t num_links = 0;
  int32_t first_nic = 0;    // vertex, counted from the node's first
  bool has_switch = false;  // an NVSwitch plane joins all its GPUs
};

/// Adds all nodes of the cluster to the graph: GPUs, what is between them, and ports.
/// GPUs and ports that do not divide evenly share alike: 2 ports of 8 GPUs serve 4 GPUs each, 32
/// ports of 8 GPUs are 4 a GPU, used as one.
NodeInterior AddNodes(const Cluster& cluster, FabricGraphBuilder& builder);

}  // namespace ridgeline::hardware

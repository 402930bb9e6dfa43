/// What one group of ranks sees of a cluster: how it lies over nodes, what its links carry, and
/// what the collective library knows of them. Every closed form of this folder reads it.
#pragma once

#include "base/operation.h"
#include "hardware/cluster.h"
#include "hardware/collective_library.h"
#include "sim/network/cluster_links.h"
#include "sim/network/group_shape.h"

namespace ridgeline::network {

/// Which of a link's cited rates: the expectation, or the worst.
enum class LinkRates { kExpected, kWorst };

/// The cluster outlives it.
struct GroupLinks {
  GroupShape shape;
  PortRate inside;        // a GPU's port within its node
  PortRate across;        // its share of the node's network ports; zero on one node
  BytesPerSecond port;    // one network port of the node; zero on one node
  double ports = 0;       // network ports that the group's ranks of a node share
  Seconds excess;         // of the network's latency over the one that the library assumes
  Seconds between_rails;  // what a way through the spines adds to it
  /// By how much the switches above the leaves slow the ports down at worst; 1 in a plan, which is
  /// of a group alone.
  double oversubscription = 1.0;
  bool switches_add = false;  // those of NVLink, in the node
  bool fabric_adds = false;   // those of the fabric
  bool has_nvswitch = false;
  bool has_rails = false;
  bool forwards_to_rail = false;  // PXN
  LinkRates rates = LinkRates::kExpected;
  const hardware::CollectiveLibrary* library = nullptr;
  const hardware::LibraryGeneration* generation = nullptr;
  const hardware::LibraryHost* host = nullptr;

  BytesPerSecond inside_rate() const {
    return rates == LinkRates::kWorst ? inside.low : inside.mean;
  }
  BytesPerSecond across_rate() const {
    return rates == LinkRates::kWorst ? across.low : across.mean;
  }
  BytesPerSecond port_rate() const { return port * (across_rate() / across.mean); }
};

/// Throws InternalError for a group over nodes on a cluster of one, and for a cluster without a
/// collective library. O(1).
GroupLinks LinksOf(const hardware::Cluster& cluster, const RankGroup& group,
                   LinkRates rates = LinkRates::kExpected);
/// The same links seen by other ranks of the same nodes (one level of a hierarchy).
GroupLinks LinksOf(const hardware::Cluster& cluster, const GroupShape& shape,
                   LinkRates rates = LinkRates::kExpected);

/// What a step costs in a protocol: inside a node and between nodes, the fabric's excess included.
/// Simple waits for the network twice a step, as NCCL counts.
Seconds InsideStep(const hardware::StepCosts& costs, const GroupLinks& links);
Seconds AcrossStep(Seconds network, CollectiveProtocol protocol, const GroupLinks& links);

/// The same ceiling, by how many nodes the group has; infinite where the library names none.
BytesPerSecond CeilingOf(const hardware::ChannelCeiling& ceiling, const GroupShape& shape);
/// Most that LL carries in all.
BytesPerSecond LowLatencyCeiling(const GroupLinks& links);

}  // namespace ridgeline::network

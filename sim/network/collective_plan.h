/// How a library does one collective on one cluster, and how its time splits: what does not depend
/// on who else uses the links, and what does. `analytic` adds both; `flow` replaces the second by
/// what flows take.
#pragma once

#include "base/evidence.h"
#include "base/operation.h"
#include "base/result.h"
#include "base/units.h"
#include "hardware/cluster.h"

namespace ridgeline::network {

struct CollectivePlan {
  CollectiveAlgorithm algorithm = CollectiveAlgorithm::kRing;  // never kChosen
  CollectiveProtocol protocol = CollectiveProtocol::kSimple;   // never kChosen
  int channels = 1;  // thread blocks, one on a multiprocessor each
  Seconds latency;   // start and steps: T at no bytes
  Seconds ramp;      // what filling the pipeline adds at this size; 0 where no measurement says so
  Seconds wire;      // bytes over the rate of the slowest link that the algorithm sees
  Evidence evidence = Evidence::kAnalytic;
  Seconds time() const { return latency + ramp + wire; }
};

/// The library's choice (or the collective's own, where it names one) for a group alone on its
/// links: an oversubscribed fabric slows nobody here. Zero times for one rank or no bytes. The time
/// never falls when bytes grow, nor below the wire bound. Hierarchical plans name the protocol
/// between nodes. O(algorithms x log bytes). Throws InternalError for a group over nodes on a
/// cluster of one, and for an algorithm that CheckPlan refuses.
CollectivePlan PlanOf(const Collective& collective, const hardware::Cluster& cluster);

/// Whether the algorithm and the protocol that the collective names can be had; why not, and what
/// to do, otherwise. Throws InternalError for a group over nodes on a cluster of one.
Status CheckPlan(const Collective& collective, const hardware::Cluster& cluster);

}  // namespace ridgeline::network

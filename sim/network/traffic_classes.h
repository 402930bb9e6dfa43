/// Symmetry: flows that must behave alike are simulated once, with a multiplicity.
///
/// A partition of flows and links is *equitable* when
///   - flows of a class have the same bytes, cap, start and delay, cross as many links of each link
///     class, and wait for as many flows of each flow class;
///   - links of a class have the same capacity and are crossed as often by each flow class.
/// Then all flows of a class begin, run and end alike, so one stands for all:
///
///   Between two events the running set is a union of classes. Progressive filling raises all
///   running flows together; a link is full when the sum over flow classes of rate x crossings
///   reaches its capacity, which happens at the same level for all links of a class; a flow stops
///   rising when one of its links is full or its cap is reached, which is the same for all flows of
///   a class because they cross the same link classes. By induction over the stops of the filling
///   every class has one rate, hence one end; whoever waits for classes begins as a class. By
///   induction over events the running set stays a union of classes. The quotient runs the same
///   filling on one flow and one link a class, whose `count` says how many members cross one link.
///
/// Found is the coarsest such partition, by colour refinement (Cardon and Crochemore 1982; Paige
/// and Tarjan 1987): a class splits by how its members touch classes that split before, and only
/// the neighbours of the smaller parts are looked at again. Signatures are 64-bit hashes, so the
/// result is checked for equitability exactly before it is returned, and found anew with another
/// salt in the event of a collision.
///
/// O((flows x hops + dependencies) log(flows + links)); 1 M flows of six links take about a second
/// and 300 MB. The answer is the same whether traffic was collapsed or not; only cost differs.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/engine/traffic.h"

namespace ridgeline::network {

struct TrafficClasses {
  engine::Traffic traffic;                  // one flow a class, in the order of first members
  std::vector<engine::FlowIndex> class_of;  // of each original flow: its flow in `traffic`
  std::vector<engine::LinkIndex> link_of;   // of each link in `traffic`: one that it stands for
  std::vector<int64_t> links_in;            // of each link in `traffic`: how many it stands for
};

/// Links that nothing crosses are left out.
TrafficClasses CollapseTraffic(const engine::Traffic& traffic);

/// Times of the original flows from those of their classes.
engine::FlowTimes ExpandTimes(const TrafficClasses& classes, const engine::FlowTimes& times);

/// Collapses, has `runner` execute the classes, and expands.
Result<engine::FlowTimes> RunCollapsed(const engine::Traffic& traffic,
                                       const engine::TrafficRunner& runner, const Stop& stop);

/// By classes for runners that know multiplicities, every flow for itself for the others.
inline Result<engine::FlowTimes> RunMerged(const engine::Traffic& traffic,
                                           const engine::TrafficRunner& runner, bool merges_classes,
                                           const Stop& stop) {
  return merges_classes ? RunCollapsed(traffic, runner, stop) : runner.Run(traffic, stop);
}

}  // namespace ridgeline::network

/// Executes traffic in our own event engine: `network.fidelity: flow`.
///
/// A flow waits for its start and its predecessors, then for its delay, then moves its bytes at
/// max-min fair rates (flow_network.h). Simultaneous starts and ends are one re-solve. Times agree
/// with the exact fluid's to a picosecond an end of a chain, and are the same in every run.
///
/// Errors: stopped (looked at about every millisecond of work, but never inside one re-solve, which
/// takes 0.3 s when 1 M flows start at once); FAILED_PRECONDITION when a flow can never end because
/// a link of its path has no capacity; OUT_OF_RANGE for more than 2^24 flows.
///
/// Time: max_min_sharing.h, once for each instant at which something starts or ends. Memory: about
/// 300 B a running flow of six links, and 30 B a flow in all, beside the traffic.
#pragma once

#include "base/result.h"
#include "base/stop.h"
#include "sim/engine/traffic.h"

namespace ridgeline::engine {

class FlowEngine final : public TrafficRunner {
 public:
  Result<FlowTimes> Run(const Traffic& traffic, const Stop& stop) const override;
};

}  // namespace ridgeline::engine

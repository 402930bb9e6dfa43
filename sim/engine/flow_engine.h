/// Executes traffic in our own event engine: `network.fidelity: flow`.
///
/// A flow waits for its start and its predecessors, then for its delay, then moves its bytes at
/// max-min fair rates (flow_network.h). Simultaneous starts and ends are one re-solve. Times agree
/// with the exact fluid's to a picosecond an end of a chain, and are the same in every run.
///
/// Errors: stopped; FAILED_PRECONDITION when a flow can never end because a link of its path has
/// no capacity. Traffic of more than 2^24 flows is OUT_OF_RANGE. Memory about 400 B a running flow
/// of six links, beside the traffic.
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

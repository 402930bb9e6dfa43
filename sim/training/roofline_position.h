/// What bounds each operation of a step: where it stands under the roofline of its GPU.
///
/// An operation of F FLOPs and B bytes takes at least F/peak, at least B/bandwidth, and at least
/// the time from one kernel to the next; the largest of the three bounds it (compute, memory,
/// latency), and over what it takes is how close it comes. A collective is bound by the network.
/// Peaks are the vendor's: a rate that is never sustained shows as distance.
#pragma once

#include <vector>

#include "sim/report.h"
#include "sim/scenario.h"
#include "sim/training/stage_costs.h"

namespace ridgeline::training {

/// Of all operations of a pipeline's ranks, largest share first; equal names of one kind of layer
/// and pass are one. Shares are of busy time, also that of collectives which hide.
std::vector<sim::OperationPosition> RooflinePositions(const sim::Scenario& scenario,
                                                      const StageCosts& stages);

}  // namespace ridgeline::training

/// Flows from each rank to each other one (collective_traffic.h).
#pragma once

#include <cstdint>

#include "sim/network/placement.h"
#include "sim/network/traffic_writer.h"

namespace ridgeline::network {

/// `part` from each rank to each other one: the k-th exchange of a rank is with the one k further.
/// window > 0: it waits for what the rank sent and received `window` exchanges before.
void AppendExchanges(const GroupGpus& group, double part, int64_t window, TrafficWriter& writer);

/// `part` from each to each, and when a rank has all, again.
void AppendTwoShots(const GroupGpus& group, double part, TrafficWriter& writer);

}  // namespace ridgeline::network

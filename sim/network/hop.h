/// One hop of a collective's pattern, and the hops that a group has to offer.
#pragma once

#include "base/units.h"

namespace ridgeline::network {

/// From one rank to the next, one direction.
struct Hop {
  Seconds latency;           // per step, software included
  BytesPerSecond bandwidth;  // of one rank: its NVLink or PCIe port, or its share of the NICs
};

/// What one algorithm in one protocol sees of a group's links.
struct GroupHops {
  Seconds base;  // start of the collective, once
  Hop inside;    // between ranks of a node
  Hop across;    // between nodes; unused when the group lies on one node
};

}  // namespace ridgeline::network

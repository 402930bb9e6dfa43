/// Times that no collective beats on given links, whatever the algorithm: latency zero, every link
/// at the vendor's peak. The lower end of every range, and the bound of INV-6.
#pragma once

#include "base/operation.h"
#include "base/units.h"

namespace ridgeline::network {

/// Peak ports of one rank, one direction.
struct WirePeaks {
  BytesPerSecond inside;             // between GPUs of a node
  BytesPerSecond across;             // a GPU's share of the NICs; zero when there is one node
  bool in_switch_reduction = false;  // switches of the node add: a rank need not send twice
  bool in_fabric_reduction = false;  // those of the fabric add: a node need not send twice
};

/// The slower of two cuts: what one rank must send or receive over all its ports, and what one node
/// must over its NICs (`size` S, n ranks, N nodes, g a node):
///
/// | | rank | node, g shares |
/// | all-reduce | 2 (n-1)/n S; S when switches add | 2 (N-1)/N S; S when the fabric adds |
/// | all-gather, reduce-scatter | (n-1)/n S | (N-1)/N S |
/// | all-to-all | (n-1)/n S | (n-g)/n S g |
/// | broadcast, send | S | S |
Seconds WireBound(const Collective& collective, const WirePeaks& peaks);

}  // namespace ridgeline::network

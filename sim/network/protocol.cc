#include "sim/network/protocol.h"

namespace ridgeline::network {
namespace {

constexpr Seconds Us(double value) { return Microseconds(value); }

constexpr ProtocolTable kRing = {.protocols = {{{.name = "LL",
                                                 .base = Us(6.6),
                                                 .nvlink = Us(0.6),
                                                 .pcie = Us(1.0),
                                                 .network = Us(2.7),
                                                 .one_node_share = 0.5,
                                                 .many_nodes_share = 0.5,
                                                 .is_low_latency = true},
                                                {.name = "LL128",
                                                 .base = Us(14),
                                                 .nvlink = Us(1.9),
                                                 .pcie = Us(2.5),
                                                 .network = Us(4.0),
                                                 .one_node_share = 0.92,
                                                 .many_nodes_share = 0.92,
                                                 .needs_nvlink = true},
                                                {.name = "Simple",
                                                 .base = Us(8.4),
                                                 .nvlink = Us(3.4),
                                                 .pcie = Us(5.7),
                                                 .network = Us(14),
                                                 .one_node_share = 1,
                                                 .many_nodes_share = 1,
                                                 .network_excess = 2}}},
                                 .count = 3};

constexpr ProtocolTable kTree = {.protocols = {{{.name = "LL",
                                                 .base = Us(6.8),
                                                 .nvlink = Us(0.6),
                                                 .pcie = Us(1.0),
                                                 .network = Us(5.0),
                                                 .one_node_share = 0.92 / 3.8,
                                                 .many_nodes_share = 0.92 / 3.8,
                                                 .is_low_latency = true},
                                                {.name = "LL128",
                                                 .base = Us(14),
                                                 .nvlink = Us(1.25),
                                                 .pcie = Us(1.9),
                                                 .network = Us(8.5),
                                                 .one_node_share = 0.92 * 7 / 9,
                                                 .many_nodes_share = 0.92 * 120 / 128,
                                                 .needs_nvlink = true},
                                                {.name = "Simple",
                                                 .base = Us(8.4),
                                                 .nvlink = Us(4.0),
                                                 .pcie = Us(4.0),
                                                 .network = Us(14),
                                                 .one_node_share = 0.92,
                                                 .many_nodes_share = 0.92,
                                                 .network_excess = 2}}},
                                 .count = 3};

constexpr ProtocolTable kAggregatedTrees = {.protocols = {{{.name = "Simple",
                                                            .base = Us(8),
                                                            .nvlink = Us(4.0),
                                                            .pcie = Us(4.0),
                                                            .network = Us(14),
                                                            .one_node_share = 0.75,
                                                            .many_nodes_share = 0.75,
                                                            .network_excess = 2},
                                                           {},
                                                           {}}},
                                            .count = 1};
}  // namespace

const ProtocolTable& ProtocolsOf(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kRing:
      return kRing;
    case Algorithm::kTree:
      return kTree;
    case Algorithm::kAggregatedTrees:
      return kAggregatedTrees;
  }
  return kRing;
}

BytesPerSecond LowLatencyCeiling(std::string_view architecture, double nodes) {
  if (nodes > 2) {
    return GigabytesPerSecond(20.4);
  }
  if (nodes > 1) {
    return GigabytesPerSecond(39.0);  // Intel hosts; 22.5 on AMD
  }
  if (architecture == "hopper") {
    return GigabytesPerSecond(141);
  }
  return GigabytesPerSecond(architecture == "blackwell" ? 282 : 87.7);
}

double InSwitchShare(std::string_view architecture) {
  return architecture == "blackwell" ? 0.74 : 0.85;
}

}  // namespace ridgeline::network

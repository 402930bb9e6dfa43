/// NCCL's constants: what a step costs and which share of the links each protocol gets.
///
/// Figures of NVIDIA/nccl v2.30.7 src/graph/tuning.cc (`ncclTopoTuneModel`), none fitted here. NCCL
/// sends in one of three protocols: LL (8-byte words with flags: least latency, half the
/// bandwidth), LL128 (128-byte lines, NVLink only, 120/128 of it) and Simple (large chunks behind a
/// fence: all of it). It takes the fastest for each size; so does this folder.
///
/// Left out of NCCL's own model, each of which only lengthens: the correction table of trees by
/// size, the x 1.4 on the latency of large multi-node rings, ceilings per channel.
#pragma once

#include <array>
#include <string_view>

#include "base/units.h"

namespace ridgeline::network {

enum class Algorithm { kRing, kTree, kAggregatedTrees };

struct Protocol {
  std::string_view name;
  Seconds base;                 // once a collective
  Seconds nvlink;               // a step over NVLink
  Seconds pcie;                 // a step over PCIe
  Seconds network;              // a step between nodes, on InfiniBand
  double one_node_share;        // of the links' bandwidth, group on one node
  double many_nodes_share;      // the same, group over nodes
  bool is_low_latency = false;  // LL: capped by LowLatencyCeiling
  bool needs_nvlink = false;    // LL128
  int network_excess = 1;       // how often a slower network's excess latency counts in a step
};

/// LL, LL128, Simple of an algorithm (aggregated trees: Simple alone).
struct ProtocolTable {
  std::array<Protocol, 3> protocols;
  int count = 3;
  const Protocol* begin() const { return protocols.data(); }
  const Protocol* end() const { return protocols.data() + count; }
};
const ProtocolTable& ProtocolsOf(Algorithm algorithm);

/// Most that LL carries in all, by GPU generation on one node ("ampere" for those unlisted) and by
/// the number of nodes beyond.
BytesPerSecond LowLatencyCeiling(std::string_view architecture, double nodes);

/// NVLS: latency, and its share of NVLink's bandwidth by generation; used above four ranks only.
constexpr Seconds kInSwitchLatency = Microseconds(25);
constexpr double kInSwitchMinimumRanks = 5;
double InSwitchShare(std::string_view architecture);

/// What a step over the network costs at least when software is idle waiting for it: NCCL's
/// network latencies assume a path of this order (LL's is the wire and little else). A slower
/// fabric's excess is added to each step, as NCCL adds the latency its topology search found.
constexpr Seconds kAssumedNetworkLatency = Microseconds(2.7);
/// Intel hosts: least time of a step inside a node while the proxy serves NICs; x 3 for Simple.
constexpr Seconds kHostOverhead = Microseconds(1.0);
constexpr Seconds kHostOverheadSimple = Microseconds(3.0);

/// The public place of all of the above.
inline constexpr std::string_view kProtocolSource = "NVIDIA/nccl v2.30.7 src/graph/tuning.cc";

}  // namespace ridgeline::network

/// Channels that the library's topology search finds, and what each carries.
///
/// NCCL (v2.30.7 src/graph/search.cc) walks a table of rates, from the fastest that fits to about
/// half of what it found, and takes the one at which channels x rate is most; a fast channel is
/// then made two at half its rate
/// (`ncclTopoDupChannels`), and kernels run twice the channels found (src/graph/connect.cc). Here a
/// channel of a ring takes its rate from every GPU's port and, over nodes, from one network port:
///
/// | 8 x A100, 240 GB/s a GPU | 6 x 40, so 12 x 20: bus 240 |
/// | 8 x H100, 370.8 | 6 x 60, so 12 x 30: bus 360 |
/// | nodes of 8 x H100 with 8 ports of 48 | 8 x 45: bus 360 |
/// | nodes of 8 x A100 with 8 ports of 24 | 8 x 24: bus 192 |
///
/// Where there is no NVLink the ports' rate is taken as it is, in two channels.
#pragma once

#include "base/units.h"
#include "sim/network/group_links.h"

namespace ridgeline::network {

struct ChannelGraph {
  int channels = 0;  // as the model counts them; 0: nothing was found
  BytesPerSecond each;
  BytesPerSecond bus() const { return channels * each; }
};

/// Of rings, and of trees, which take the same links. O(rates).
ChannelGraph RingGraph(const GroupLinks& links);

/// Of NVLSTree and of sums in the fabric: one channel a network port of the node, at the port's
/// rate. Over nodes only.
ChannelGraph PortGraph(const GroupLinks& links);

/// By how much a group that shares the fabric's upper tiers is slower than its graph says: 1 where
/// nothing is oversubscribed, below it otherwise.
double ContendedShare(const ChannelGraph& graph, const GroupLinks& links);

/// Bytes below which a kernel takes fewer thread blocks, of each block (v2.30.7 src/enqueue.cc).
double BytesABlock(CollectiveProtocol protocol, bool is_ring, const GroupLinks& links);

}  // namespace ridgeline::network

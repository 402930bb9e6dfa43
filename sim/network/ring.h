/// Collectives on rings.
///
/// A ring of n ranks cuts the buffer in n chunks. Reduce-scatter and all-gather take n - 1 steps of
/// one chunk, all-reduce both after one another; every rank sends (n - 1)/n of the buffer, or twice
/// that, which no algorithm without help from switches beats (Patarasuk and Yuan 2009). The ring
/// goes round each node before it leaves it, so of the n - 1 steps of one turn N - 1 cross nodes:
///
///     latency = base + (steps - crossing) max(a_inside, host) + crossing a_across
///     rate    = bus n / steps
///     bus     = channels x rate of a channel (channel_graph.h), cut by the protocol
///
/// as NVIDIA/nccl v2.30.7 src/graph/tuning.cc has it. Broadcast is pipelined: the buffer passes
/// every rank once, behind one latency a hop, n - 1 of them (NCCL counts n, all at the network's
/// latency, which only decides its protocol).
#pragma once

#include "base/operation.h"
#include "sim/network/affine_time.h"
#include "sim/network/channel_graph.h"

namespace ridgeline::network {

/// All-reduce, all-gather, reduce-scatter, broadcast. Requires two ranks or more and a protocol
/// that the library has for rings. O(1).
AffineTime RingTime(CollectiveKind kind, CollectiveProtocol protocol, const ChannelGraph& graph,
                    const GroupLinks& links);

}  // namespace ridgeline::network

/// Collectives that the switches of NVLink add up (NVLink SHARP, NCCL's NVLS), and NVLSTree, which
/// joins the nodes' sums by double trees.
///
/// On one node each rank sends its buffer once, the switch adds, and each rank multicasts the n-th
/// part that it fetched: S (1 + 1/n) over a rank's port each way, against 2 (n - 1)/n S on a ring.
///
///     latency = a_inside (+ a_across over nodes, whose switches then add as well)
///     rate    = B / (1 + 1/n)                              one node, all-reduce
///
/// B is a share of NVLink's rate that the library's file gives with its source. Everything else is
/// NCCL's model (v2.30.7 src/graph/tuning.cc), with one channel a network port:
///
///     bus = channels x min(inside, across, ceiling)
///     inside = rate of a channel x efficiency x (channels - 1)/channels x (2, or (g-1)/g in
///     gathers) NVLSTree: latency = a_inside + 2 floor(log2 N) a_across
///
/// Bus to rate: x n / steps of a ring for all-reduce; none for gathers. Old versions believe in
/// other rates: they choose by those and take no less time for it.
#pragma once

#include "base/operation.h"
#include "sim/network/affine_time.h"
#include "sim/network/channel_graph.h"

namespace ridgeline::network {

struct NvlsTime {
  AffineTime chosen_by;  // as the library's model has it
  AffineTime time;       // the same, unless that model promises more than the links carry
};

/// All-reduce, all-gather, reduce-scatter. Requires switches that add. O(1).
NvlsTime NvlsTimeOf(CollectiveKind kind, const GroupLinks& links);

/// All-reduce over nodes. O(1).
NvlsTime NvlsTreeTimeOf(const GroupLinks& links);

}  // namespace ridgeline::network

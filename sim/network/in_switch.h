/// All-reduce by the switches of one node (NVLink SHARP; NCCL calls it NVLS).
///
/// Each rank sends its buffer once, the switch adds, and each rank multicasts the n-th part that it
/// fetched: S (1 + 1/n) over a rank's port each way, against 2 (n - 1)/n S on a ring.
///
///     time = latency + S (1 + 1/n) / B
///
/// (NVIDIA/nccl issue 1374; latency and share of B: v2.30.7 src/graph/tuning.cc.) Zero for one
/// rank, O(1), monotone in `size`.
#pragma once

#include "base/units.h"
#include "sim/network/hop.h"

namespace ridgeline::network {

inline Seconds InSwitchAllReduceTime(double ranks, Bytes size, Hop port) {
  return ranks <= 1 ? Seconds{} : port.latency + size * (1 + 1 / ranks) / port.bandwidth;
}

}  // namespace ridgeline::network

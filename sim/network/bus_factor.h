/// Bus bandwidth over algorithm bandwidth, as nccl-tests has it (NVIDIA/nccl-tests
/// doc/PERFORMANCE.md): bytes that each rank of a ring sends for each byte of the full buffer.
#pragma once

#include "base/operation.h"

namespace ridgeline::network {

/// All-reduce 2 (n-1)/n; all-gather, reduce-scatter, all-to-all (n-1)/n; broadcast, send 1.
constexpr double BusFactor(CollectiveKind kind, double ranks) {
  switch (kind) {
    case CollectiveKind::kAllReduce:
      return 2 * (ranks - 1) / ranks;
    case CollectiveKind::kAllGather:
    case CollectiveKind::kReduceScatter:
    case CollectiveKind::kAllToAll:
      return (ranks - 1) / ranks;
    case CollectiveKind::kBroadcast:
    case CollectiveKind::kSend:
      break;
  }
  return 1;
}

}  // namespace ridgeline::network

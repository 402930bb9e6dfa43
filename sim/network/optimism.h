/// How much longer collectives were measured to take than NCCL's own model says, by size.
///
/// NVIDIA/nccl v2.30.7's model against about 220 published points (8x A100, H100, H200 of
/// Azure/AI-benchmarking-guide; 4 to 1,024 nodes of H100 of NVIDIA's talk S62129 and
/// arXiv:2411.13055): 15 to 55 % too fast at 2 to 64 MB on one node, 35 to 44 % at 2 to 128 MB over
/// nodes, 16 % up to 1 GB, 3 % above; below 2 MB a factor of 2 (25.6 us measured for 15.0 at 1 KB,
/// 42.2 for 15.8 at 64 KB, launched without a graph). All-to-all: the shares of the asymptote that
/// SimAI's `ata_ratio` gives by size. These widen the range; they never move the mean.
#pragma once

#include <span>

#include "base/operation.h"
#include "base/units.h"

namespace ridgeline::network {

/// From this size to the next step's, at worst this much longer than the mean: 0.44 is 44 %.
struct OptimismStep {
  Bytes from;
  double excess = 0.0;
};

/// Steps in order of size, the first from zero.
std::span<const OptimismStep> OptimismOf(CollectiveKind kind, bool is_one_node);

}  // namespace ridgeline::network

/// A micro-batch's forward beside another's backward through like layers, so that what the experts
/// of one exchange travels while the other computes (NVIDIA/Megatron-LM
/// --overlap-moe-expert-parallel-comm; DualPipe, deepseek-ai/DualPipe and arXiv:2412.19437, section
/// 3.2.1). One compute stream, one stream for the experts' collectives:
///
///     compute   B: unpermute | F: attention    | B: experts  | F: experts       | B: attention ...
///     exchange               | B: combine grad | F: dispatch | B: dispatch grad | F: combine
///
/// Both passes are cut at their exchanges; all else, other collectives included, stays a chain on
/// the compute stream. The compute stream takes what is ready, of both the pass that it did not run
/// last, the backward first; the exchanges go in the order in which they are ready. While both
/// streams run both are slowed (contention.h).
///
/// Never shorter than what either stream does alone; as long as both passes one after the other
/// where neither exchanges anything.
#pragma once

#include <span>

#include "sim/training/pass_costs.h"

namespace ridgeline::training {

struct PassPair {
  Duration total;  // of both
  BoundedCauseTimes causes;
  Duration host;  // of issuing both
  Duration lead;  // that the host must be ahead by at the start (host_chain.h); an upper bound
};

/// Layers in the order in which each pass runs them. O(steps).
PassPair OverlapPasses(std::span<const CostedPass* const> forward,
                       std::span<const CostedPass* const> backward);

}  // namespace ridgeline::training

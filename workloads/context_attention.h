/// Attention over a sequence that the ranks of a context-parallel group share: kernels, exchanges
/// and corrections of one rank, forward and backward.
///
/// Every rank holds a chunk from either end of the sequence, two of 2·cp, so that causal work is
/// even (NVIDIA/TransformerEngine transformer_engine/pytorch/attention/dot_product_attention/
/// context_parallel.py, as are all the steps below; Llama 3, arXiv:2407.21783, section 3.3.2).
/// Bytes for s tokens in b sequences, k KV heads of D, e bytes an element:
///
///   ring         forward cp - 1 sends of 2·(s/cp)·b·k·D·e, each behind a step's attention;
///   backward
///                as many, and as many of the gradients of keys and values
///   all-to-all   queries, keys, values before and results after, as much of each as the rank
///                holds; backward the same for their gradients. KV heads fewer than ranks are
///                repeated first (arXiv:2309.14509)
///   all-gather   keys and values of all s tokens; backward once more, for only the rank's own are
///                kept, and their gradients are reduced and scattered
///   both         all-to-all among the inner ranks around a ring over the outer ones
///                (arXiv:2405.07719)
///
/// Exchanges of heads and gathers run alone, ring sends beside attention. A ring's partial results
/// are merged by their log-sum-exp, and its partial gradients added, by kernels bound by memory.
#pragma once

#include "base/operation.h"
#include "base/result.h"
#include "workloads/rank_steps.h"

namespace ridgeline::workloads {

/// `core`: attention of the heads on this rank over the whole sequence, in the pass that `steps`
/// are of. The FLOPs of what it appends are those of `core` over cp, exactly, where no window cuts
/// attention.
void AddContextAttention(RankSteps& steps, const RankShape& shape, const Attention& core);

/// What the backward holds beyond the gradients of the rank's own queries, keys, values and
/// results: receive buffers, gathered or exchanged copies, gradients of one step.
Bytes ContextTransient(const RankShape& shape, const Attention& core);

/// What is kept for the backward beyond the rank's own queries, keys, values and results: repeated
/// KV heads.
Bytes ContextSaved(const RankShape& shape, const Attention& core);

/// OK, or why this attention does not run over a shared sequence: UNIMPLEMENTED for scores in
/// memory, and for a window under a ring, whose steps would not be alike.
Status CheckContextAttention(const RankShape& shape, const Attention& core);

}  // namespace ridgeline::workloads

/// Low-rank adapters beside frozen matrices (LoRA, arXiv:2106.09685): a product x W becomes
/// x W + (x A) B with A [in, rank] and B [rank, out]. Only A and B train: W has no gradient, no
/// optimizer state and no master copy, but gradients of activations still pass through it.
///
/// Matrices that tp cuts by columns share A and cut B; by rows cut A and share B, so that the
/// adapter's partial results leave with the product's own. Experts each have their own. Router,
/// norms, biases, embedding and head are frozen without adapters. Adapters compute in 16 bits.
#pragma once

#include <cstdint>

#include "base/config_reader.h"

namespace ridgeline::workloads {

struct RankShape;
struct PartOfLayer;
struct RankParameters;

/// `lora:` of a training job.
struct LowRankAdapters {
  int64_t rank = 0;                            // 0: all parameters train
  bool attention = true, feed_forward = true;  // whose matrices have one
  friend bool operator==(const LowRankAdapters&, const LowRankAdapters&) = default;
};
const Schema<LowRankAdapters>& SchemaOf(Tag<LowRankAdapters>);

/// Freezes a part's matrices and sets adapters of `rank` beside them, or none with 0: weight
/// gradients go, the adapters' products come, and what only weight gradients read is no longer kept
/// (results of norm and activation, where there are no adapters). Adds what the adapters hold to
/// `adapters`. A product's backward is its input's gradient, then four products of the adapter: of
/// B, of x A, of A, and onto the input's gradient.
void Freeze(const RankShape& shape, int64_t rank, PartOfLayer& part, RankParameters& adapters);

}  // namespace ridgeline::workloads

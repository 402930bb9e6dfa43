/// A pass cut into pieces where a tensor-parallel collective meets a product (tensor_overlap.h).
///
/// All-gather, then products of what was gathered, on `tp` ranks: `tp` pieces of m / tp rows. A
/// rank begins with its own rows while the next piece comes in from a neighbour:
///
///     piece 1 in | piece 2 in | ...                |
///     product 0  | product 1  | ...                | product tp-1
///
/// Products over one input each take their share of the way beside them, by width. A product, then
/// reduce-scatter (exchange): product 0 alone, then each piece's way out beside the next product,
/// and the sum of tp partial results at the end. With scatter: pipeline the pieces are
/// `pipeline_pieces`, each is reduced and scattered beside the next product, the last alone.
///
/// As every way in or out is as long as the others, and every piece of a product too, a step that
/// lasts as long as the longer of both is what two streams do. Never shorter than all products nor
/// than all ways: smaller products are slower, and the cost model says by how much.
#pragma once

#include <vector>

#include "workloads/lowering.h"

namespace ridgeline::workloads {

/// The steps of one pass with such pairs replaced by their pieces. Left alone: collectives that run
/// beside an operation already, all-reduces, products whose rows do not divide, and all else. O(n).
std::vector<Step> InPieces(const std::vector<Step>& steps, const Layout& layout,
                           const TensorOverlap& overlap);

}  // namespace ridgeline::workloads

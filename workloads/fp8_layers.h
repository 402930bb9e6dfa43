/// Quantisation to fp8 around the products of linear layers: bytes of its kernels and of what they
/// leave. Steps that use them: RankSteps (rank_steps.h).
///
/// Hopper multiplies 8-bit operands only where both run along the sum in memory, so a tensor that
/// is summed along its rows in one product and along its columns in another needs two copies: an
/// input for forward and weight gradient, an output's gradient for input and weight gradient,
/// weights for forward and input gradient. Transformer Engine writes both in one pass where it can
/// (NVIDIA/TransformerEngine transformer_engine/common/transpose/cast_transpose_fusion.cu;
/// transformer_engine/pytorch/module/linear.py and layernorm_linear.py for which tensor needs
/// which).
///
///   delayed    one pass: 16 bits read, a copy or both written; the scale is of past steps, and the
///              maximum is noted in passing
///   current    a pass that reads 16 bits for the maximum, then as delayed
///              (transformer_engine/common/recipe/current_scaling.cu)
///   blockwise  one pass, with a scale in fp32 for each 128 values of a copy
///              (transformer_engine/common/transpose/quantize_transpose_vector_blockwise.cu)
#pragma once

#include <vector>

#include "base/units.h"
#include "workloads/fp8_recipe.h"

namespace ridgeline::workloads {

/// kRows: as forward and input gradient read it; kColumns: as a weight gradient does.
enum class Fp8Copies { kRows, kColumns, kBoth };

/// One copy of `elements` values, with its scales.
Bytes QuantizedBytes(Fp8Scaling scaling, double elements);

/// One kernel over a tensor.
struct Fp8Pass {
  bool is_maximum = false;  // finds the scale
  Bytes read;
  Bytes written;
};
/// The passes that make `copies` of `elements` values of `element_bytes` bytes. `is_fused`: what
/// wrote the tensor left 8 bits instead (delayed scaling only), so that a transposed copy is made
/// from those; that kernel writes as much less.
std::vector<Fp8Pass> QuantizationOf(Fp8Scaling scaling, Fp8Copies copies, double elements,
                                    double element_bytes, bool is_fused);

}  // namespace ridgeline::workloads

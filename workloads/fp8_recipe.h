/// How a job with `precision: fp8` trains: which tensors get which scales, and what is stored and
/// sent in 8 bits. Matrix products of linear layers run in fp8; attention, router, norms, embedding
/// and head stay in bf16 (NVIDIA/TransformerEngine docs, FP8 primer).
///
/// Delayed: one scale a tensor from the maxima of past steps; one pass casts and notes the maximum
/// (arXiv:2209.05433). Current: a pass over the tensor finds its maximum, another casts. Blockwise:
/// scales for 1 x 128 of activations and 128 x 128 of weights (DeepSeek-V3, arXiv:2412.19437,
/// section 3.3).
#pragma once

#include <array>
#include <utility>

#include "base/config_reader.h"
#include "base/dtype.h"

namespace ridgeline::workloads {

enum class Fp8Scaling { kDelayed, kCurrent, kBlockwise };
EnumTable<Fp8Scaling> EnumNames(Tag<Fp8Scaling>);

/// `fp8:` of a training job or a framework.
struct Fp8Recipe {
  Fp8Scaling scaling = Fp8Scaling::kDelayed;
  /// Weights that compute are kept, and gathered by a distributed optimizer, in 8 bits.
  bool keeps_weights = false;
  /// Tokens are sent to experts in 8 bits; what comes back stays in 16.
  bool dispatches = false;
  /// Tensor-parallel gathers of activations move the 8-bit copy.
  bool gathers_activations = false;
  friend bool operator==(const Fp8Recipe&, const Fp8Recipe&) = default;
};
const Schema<Fp8Recipe>& SchemaOf(Tag<Fp8Recipe>);

/// What a framework's kernels do of the quantisation: `fp8_kernels:` of a framework.
struct Fp8Kernels {
  /// The norm before a product writes 8 bits; the activation likewise. With delayed scaling only:
  /// the others know no scale before the values are there.
  bool norm = false;
  bool activation = false;
  /// The weight gradient's input is kept as its 8-bit copy; otherwise in 16 bits, and quantised
  /// once more in the backward.
  bool keeps_inputs = true;
  /// Weights are quantised once a step, and their copies kept; otherwise by each forward and
  /// backward.
  bool keeps_weight_copies = true;
  /// Gradients' products add up in the tensor cores' own width, as the forward's do; otherwise
  /// partial sums go to fp32 registers every few terms (kPreciseAccumulation).
  bool fast_gradients = false;
  friend bool operator==(const Fp8Kernels&, const Fp8Kernels&) = default;
};
const Schema<Fp8Kernels>& SchemaOf(Tag<Fp8Kernels>);

/// The type of activations in a job of this precision: 16 bits where linear layers run in fp8.
constexpr DType ActivationDtype(DType precision) {
  return precision == DType::kFp8 ? DType::kBf16 : precision;
}

}  // namespace ridgeline::workloads

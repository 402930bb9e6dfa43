/// How a framework runs the collectives of tensor parallelism behind the products that they feed or
/// empty (`overlap.tensor_parallel`): in pieces, a piece on its way while another is multiplied.
///
/// Sources: NVIDIA/TransformerEngine transformer_engine/common/comm_gemm_overlap (userbuffers: ring
/// exchange and pipeline); pytorch/pytorch torch/distributed/_symmetric_memory
/// (_pipelined_multi_all_gather_and_consume, _pipelined_produce_and_all2all); Wang et al., "Overlap
/// Communication with Dependent Computation via Decomposition", ASPLOS 2023.
#pragma once

#include <cstdint>
#include <optional>

#include "base/config_reader.h"

namespace ridgeline::workloads {

/// What becomes of a product's partial sums. kExchange: each piece goes to the rank that owns it,
/// own piece last, and what arrived is added up at the end. kPipeline: a reduce-scatter of each
/// piece, the last with nothing beside it.
enum class ScatterMethod { kExchange, kPipeline };
EnumTable<ScatterMethod> EnumNames(Tag<ScatterMethod>);

struct TensorOverlap {
  ScatterMethod scatter = ScatterMethod::kExchange;
  int64_t pipeline_pieces = 4;  // with kPipeline
  /// Multiprocessors that the pieces' transfers hold: 0 for copy engines; default: those of the
  /// collective library's kernels.
  std::optional<int64_t> exchange_multiprocessors;
  std::optional<int64_t> pipeline_multiprocessors;
  friend bool operator==(const TensorOverlap&, const TensorOverlap&) = default;
};
const Schema<TensorOverlap>& SchemaOf(Tag<TensorOverlap>);

}  // namespace ridgeline::workloads

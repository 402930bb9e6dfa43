/// A line of `cost`: one operation as JSON, to what must be computed or moved and under which
/// condition it is asked for.
///
///     {"op":"gemm","dtype":"bf16","m":512,"n":4096,"k":5120}
///     {"op":"all_reduce","bytes":16777216,"ranks":8}
///
/// `dtype` is bf16 where none is given. Sizes count elements, except `bytes`.
///
/// | op | keys, [optional] |
/// | gemm | m n k [batch output_dtype accumulates] |
/// | grouped_gemm | groups m n k [output_dtype weight_gradient accumulates]; m over all groups |
/// | attention | phase heads head_dim, q_len (prefill) or kv_len (decode) [kv_heads kv_len batch |
/// |           | pass causal v_head_dim window kernel] |
/// | rmsnorm, layernorm | tokens hidden [residual: fused with the addition before it] |
/// | rotary | tokens heads head_dim [kv_heads: keys turned beside the queries] |
/// | swiglu, gelu | tokens and ffn or hidden (of the result; swiglu reads twice that) |
/// | residual_add, softmax, embedding | tokens hidden |
/// | cross_entropy | tokens vocabulary; fused: logits in, softmax in fp32 out |
/// | adam | parameters [dtype of the weights, gradient_dtype]; fp32 master copy and moments |
/// | copy | bytes (read plus written) |
/// | cast | elements, or tokens and hidden [output_dtype] |
/// | gradient_norm, dropout, permute, routing, scan | read_bytes [written_bytes tokens] |
/// | moe | tokens hidden ffn experts top_k [gated ep skew]: router, choice, permutation, |
/// |     | two grouped GEMMs with the activation between, permutation back. |
/// |     | ep: GPUs that share the experts and the rows |
/// |     | skew: exponent of the power law of loads (measured tables only; 0: even) |
/// | all_reduce, all_gather, reduce_scatter, all_to_all, broadcast, send | bytes ranks |
/// |     | [ranks_per_node algorithm protocol]; `bytes` as nccl-tests counts them; send: 2 ranks |
/// |     | algorithm: ring, tree, nvls, nvls-tree, collnet-direct, collnet-chain, pat, |
/// |     | hierarchical, pairwise, one-shot, two-shot; protocol: ll, ll128, simple |
///
/// Every line may give clock, launch, cache, and those with matrices layout.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mixture_layer.h"
#include "base/operation.h"
#include "base/result.h"
#include "hardware/condition.h"
#include "sim/compute/json_line.h"

namespace ridgeline::compute {

/// What the line asks for beyond the steady condition; unset where it says nothing.
struct AskedCondition {
  std::optional<hardware::Clock> clock;
  std::optional<hardware::Launch> launch;
  std::optional<hardware::CacheState> cache;
  std::optional<hardware::Layout> layout;

  /// Steady in all that the line leaves open.
  hardware::Condition Filled() const {
    const hardware::Condition steady;
    return {.clock = clock.value_or(steady.clock),
            .launch = launch.value_or(steady.launch),
            .cache = cache.value_or(steady.cache),
            .layout = layout.value_or(steady.layout)};
  }
};

struct OperationLine {
  std::string_view op;  // as written; of the program's own table, so it outlives the line
  /// One after the other; more than one for moe. Collectives that do not say how many ranks share
  /// a node have ranks_per_node 0: as many as fit.
  std::vector<std::variant<Operation, Collective>> parts;
  /// The whole of a moe line, for models that know mixture layers as one.
  std::optional<MixtureLayer> layer;
  AskedCondition condition;
};

Result<OperationLine> ReadOperationLine(std::string_view line, const LinePlace& place);

}  // namespace ridgeline::compute

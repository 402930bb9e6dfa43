/// NVTX ranges that stand for an operation, and what they say of it. Three kinds are known:
///
/// - PyTorch's, with shapes: under `torch.autograd.profiler.emit_nvtx(record_shapes=True)` each
///   operator is a range "aten::mm, seq = 12, sizes = [[4096, 4096], [4096, 11008]]". Known are the
///   matrix products, fused attention and its backward, norms, softmax, embedding, GELU, additions
///   of equal shapes (`kOperators` in the .cc).
/// - NCCL's: "ncclAllReduce", with the message's bytes and the communicator in the payload.
/// - Anybody's own: a text that is a line of `ridgeline cost`, {"op":"gemm","m":...}.
///
/// Sizes do not say types, masks or transpositions: kernels' names do at times (kernel_name.h), the
/// trace's owner does in TraceFacts, and else the range is left out with the reason.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"
#include "calibration/measured_operation.h"

namespace ridgeline::calibration {

/// What a trace does not say, as its owner tells it.
struct TraceFacts {
  std::optional<DType> dtype = {};
  std::optional<bool> causal = {};
  std::optional<int64_t> ranks = {};
  std::optional<int64_t> ranks_per_node = {};
  std::optional<std::string> clock = {};
  std::optional<std::string> launch = {};
  std::optional<std::string> cache = {};
  std::optional<std::string> layout = {};
};

/// "dtype=bf16", "causal=yes", "ranks=8", "launch=graph" ... into `facts`.
Status AddTraceFact(std::string_view text, TraceFacts& facts);

/// How kernels of a trace ran. "kernel": the device time of kernels alone, without the gaps between
/// them, so neither a graph's nor an eager launch's; clock and cache "program": as the program that
/// was traced left them, neither bursts nor cold.
Condition TraceCondition();

/// A range as the trace has it.
struct NvtxRange {
  std::string_view text;
  std::string_view payload;  // JSON; empty when there is none
};

/// True for ranges whose kernels are summed: those of the three kinds above.
bool StandsForOperation(const NvtxRange& range);

/// `kernels`: names, the longest-running first. The error's message is the reason for leaving the
/// range out, the same for equal causes, so that reasons can be counted. `ranks`: of the range's
/// communicator, where the trace tells; 0 else.
Result<OperationLine> OperationOf(const NvtxRange& range, std::span<const std::string_view> kernels,
                                  const TraceFacts& facts, int64_t ranks);

/// "NCCL communicator ID", as the payload writes it, and "No. of ranks"; empty and 0 when not
/// there.
struct Communicator {
  std::string id;
  int64_t ranks = 0;
};
Communicator CommunicatorIn(std::string_view payload);

}  // namespace ridgeline::calibration

/// Lines of `ridgeline cost`: {"op":"gemm","dtype":"bf16","m":512,"n":4096,"k":5120}. The same text
/// names a measured point, so one parser reads questions and measurements.
///
/// Besides the operations of base/operation.h a line may ask for a whole mixture layer ("moe") or a
/// collective. A line of another `op` (a launch, a copy beside a collective ...) is kept as it
/// stands: it can be stored and counted, not priced.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/operation.h"
#include "base/result.h"

namespace ridgeline::calibration {

/// A mixture-of-experts layer on one GPU: routed rows through the gated pair (hidden -> 2 ffn) and
/// back (ffn -> hidden), with the routing and permuting kernels around them. `experts` is of the
/// whole layer; this GPU holds experts / ep of them, and of tokens x top_k rows it computes 1 / ep.
struct MixtureLayer {
  int64_t tokens = 0;
  int64_t hidden = 0;
  int64_t ffn = 0;  // on this GPU, after tensor parallelism
  int64_t experts = 0;
  int64_t top_k = 1;
  int64_t ep = 1;
  double skew = 0;  // exponent of the power law that rows follow over experts; 0: balanced
  DType dtype = DType::kBf16;
  friend bool operator==(const MixtureLayer&, const MixtureLayer&) = default;
};

/// What the cost model does not price; `text` is the canonical JSON of the line.
struct OtherOperation {
  std::string name;
  std::string text;
  friend bool operator==(const OtherOperation&, const OtherOperation&) = default;
};

using TimedOperation = std::variant<Gemm, GroupedGemm, Attention, MemoryBound, MixtureLayer,
                                    Collective, OtherOperation>;

/// How it runs. The default is DESIGN's steady condition.
struct Condition {
  std::string clock = "burst";   // sustained: at the clocks of a long run
  std::string launch = "graph";  // eager: with what the host adds
  std::string cache = "cold";    // warm: operands left in L2
  std::string layout = "TN";
  friend bool operator==(const Condition&, const Condition&) = default;
};

struct OperationLine {
  TimedOperation operation;
  Condition condition;
};

/// kInvalidArgument names the missing or misspelt field. Sizes must be positive and below 2^53.
Result<OperationLine> ParseOperationLine(std::string_view line);

/// Canonical JSON: keys sorted, defaults written out; equal operations have equal text.
std::string OperationText(const TimedOperation& operation);
std::string ConditionText(const Condition& condition);

}  // namespace ridgeline::calibration

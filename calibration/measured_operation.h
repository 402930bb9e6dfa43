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

#include "base/mixture_layer.h"
#include "base/operation.h"
#include "base/result.h"
#include "hardware/condition.h"

namespace ridgeline::calibration {

using hardware::Condition;

/// What the cost model does not price; `text` is the canonical JSON of the line.
struct OtherOperation {
  std::string name;
  std::string text;
  friend bool operator==(const OtherOperation&, const OtherOperation&) = default;
};

using TimedOperation = std::variant<Gemm, GroupedGemm, Attention, MemoryBound, MixtureLayer,
                                    Collective, OtherOperation>;

struct OperationLine {
  TimedOperation operation;
  Condition condition;
};

/// kInvalidArgument names the missing or misspelt field. Sizes must be positive and below 2^53.
Result<OperationLine> ParseOperationLine(std::string_view line);

/// A condition as an object of its own: {"launch":"eager"}; what it leaves out is steady.
Result<Condition> ParseCondition(std::string_view text);

/// Canonical JSON: keys sorted, defaults written out; equal operations have equal text.
std::string OperationText(const TimedOperation& operation);
std::string ConditionText(const Condition& condition);

}  // namespace ridgeline::calibration

#include "sim/serving/serving_trace.h"

#include <array>

#include <fmt/format.h>

namespace ridgeline::serving {

ServingTrace::ServingTrace(std::ostream& out, int64_t replicas)
    : trace_(out), ends_(static_cast<size_t>(replicas)) {
  for (int64_t replica = 0; replica < replicas; ++replica) {
    const std::string name = fmt::format("replica {}", replica);
    trace_.Process(replica + 1, name, replica);
    trace_.Thread(replica + 1, 1, "steps", 0);
  }
}

void ServingTrace::Idle(size_t replica) {
  const auto process = static_cast<int64_t>(replica) + 1;
  trace_.Counter(process, "running sequences", ends_[replica], 0);
  trace_.Counter(process, "waiting sequences", ends_[replica], 0);
}

void ServingTrace::OnStep(const Step& step) {
  const auto replica = static_cast<size_t>(step.replica);
  const int64_t process = int64_t{step.replica} + 1;
  if (step.begin > ends_[replica]) {
    Idle(replica);
  }
  ends_[replica] = step.end;
  const std::array<trace::Argument, 4> arguments = {{{"iterations", step.iterations},
                                                     {"prefill tokens", step.prefill_tokens},
                                                     {"decodes", step.decodes},
                                                     {"running", step.running}}};
  std::string_view name = "decode";
  if (step.prefill_tokens > 0) {
    name = step.decodes > 0 ? "prefill and decode" : "prefill";
  }
  trace_.Slice(process, 1, name, "step", step.begin, step.end - step.begin, arguments);
  trace_.Counter(process, "running sequences", step.begin, static_cast<double>(step.running));
  trace_.Counter(process, "waiting sequences", step.begin, static_cast<double>(step.waiting));
  trace_.Counter(process, "free KV blocks", step.begin, static_cast<double>(step.free_blocks));
}

Status ServingTrace::Finish() {
  for (size_t replica = 0; replica < ends_.size(); ++replica) {
    Idle(replica);
  }
  if (!trace_.Finish()) {
    return Fail({.code = ErrorCode::kUnavailable,
                 .message = "cannot write the trace",
                 .hint = "see whether the disk is full"});
  }
  return {};
}

}  // namespace ridgeline::serving

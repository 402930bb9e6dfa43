#include "planner/validation/measured_value.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/config_reader.h"
#include "base/diagnostic.h"
#include "base/nearest_name.h"
#include "base/units_text.h"
#include "sim/target.h"

namespace ridgeline::validation {
namespace {

template <class Q>
Result<double> InBaseUnits(const std::string& text) {
  ASSIGN_OR_RETURN(const Q value, ParseQuantity<Q>(text));
  return value.base();
}

Result<double> ParseClass(const Node& written) {
  if (written.scalar == "1" || written.scalar == "0") {
    return written.scalar == "1" ? 1.0 : 0.0;
  }
  Diagnostics diagnostics;
  const std::optional<bool> value =
      Codec<bool>::Decode(written, DecodeContext{.path = {}, .diagnostics = &diagnostics});
  RETURN_IF_ERROR(diagnostics.Take());
  return *value ? 1.0 : 0.0;
}

/// Rates and counts, which may carry their unit ("12000 tokens/s").
Result<double> ParsePlain(const std::string& metric, const std::string& text) {
  const Result<sim::Target> target = sim::ParseTarget(metric, text);
  if (!target || text.find_first_of("<>") != std::string::npos) {
    return InvalidArgument("expected a number: " + text, "for example 1000");
  }
  return target->value;
}

Result<double> ParseText(const std::string& metric, const Node& written) {
  const std::string& text = written.scalar;
  if (metric == "oom") {
    return ParseClass(written);
  }
  if (!IsMeasurable(metric)) {
    return NotFound("unknown metric: " + metric, SuggestName(metric, MeasurableMetrics()));
  }
  if (!written.is_scalar()) {
    return InvalidArgument("expected one value: " + metric, "for example step_time: 250 ms");
  }
  if (metric.starts_with("memory.")) {
    return InBaseUnits<Bytes>(text);
  }
  if (metric == "model_flops_per_gpu") {
    return InBaseUnits<FlopsPerSecond>(text);
  }
  if (metric == "mfu" || metric == "hfu") {
    return ParseRatio(text);
  }
  if (metric.starts_with("tokens_per_second") || metric.ends_with("_throughput")) {
    return ParsePlain(metric, text);
  }
  return InBaseUnits<Seconds>(text);
}

}  // namespace

std::vector<std::string> MeasurableMetrics() {
  std::vector<std::string> names = {"step_time",
                                    "pass_time",
                                    "memory.allocated",
                                    "memory.peak",
                                    "memory.weights",
                                    "memory.gradients",
                                    "memory.optimizer",
                                    "memory.activations",
                                    "tokens_per_second",
                                    "tokens_per_second_per_gpu",
                                    "model_flops_per_gpu",
                                    "mfu",
                                    "hfu",
                                    "oom",
                                    "request_throughput",
                                    "output_throughput",
                                    "total_token_throughput"};
  for (const char* latency : {"ttft", "tpot", "itl", "e2el"}) {
    for (const char* statistic : {"mean", "p50", "p90", "p99"}) {
      names.push_back(fmt::format("{}.{}", latency, statistic));
    }
  }
  return names;
}

bool IsMeasurable(std::string_view metric) {
  if (metric.starts_with("time.") || metric.starts_with("memory.")) {
    return true;
  }
  const std::vector<std::string> names = MeasurableMetrics();
  return std::find(names.begin(), names.end(), metric) != names.end();
}

Result<double> ParseMeasured(const std::string& metric, const Node& written) {
  ASSIGN_OR_RETURN(const double value, ParseText(metric, written));
  if (metric != "oom" && !(value > 0.0)) {
    return InvalidArgument("expected a positive value: " + written.scalar);
  }
  return value;
}

}  // namespace ridgeline::validation

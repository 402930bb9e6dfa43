#include "workloads/request_load.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "base/grouped_number.h"
#include "base/random.h"
#include "base/units_text.h"
#include "workloads/request_trace.h"
#include "workloads/trace_description.h"
#include "workloads/workload.h"

namespace ridgeline::workloads {
namespace {

std::optional<int64_t> ConcurrencyOf(const Arrivals& arrivals) {
  return arrivals.closed_loop ? std::optional(arrivals.closed_loop->concurrency)
                              : arrivals.concurrency;
}

std::optional<ArrivalProcess> ProcessOf(const Arrivals& arrivals) {
  if (arrivals.process) {
    return arrivals.process;
  }
  if (ConcurrencyOf(arrivals)) {
    return ArrivalProcess::kClosedLoop;
  }
  return arrivals.rate ? std::optional(ArrivalProcess::kPoisson) : std::nullopt;
}

/// Collects broken rules with their paths.
class Rules {
 public:
  void Break(std::string path, std::string message, std::string hint) {
    diagnostics_.Add({.code = ErrorCode::kInvalidArgument,
                      .message = std::move(message),
                      .hint = std::move(hint),
                      .path = "workload." + std::move(path)});
  }
  void Refuse(bool is_set, const std::string& path, const std::string& reason) {
    if (is_set) {
      Break(path, fmt::format("{} has no place here: {}", path, reason), "leave it out");
    }
  }
  void Require(bool is_set, const std::string& path, const std::string& what,
               const std::string& example) {
    if (!is_set) {
      Break(path, what, fmt::format("for example {}", example));
    }
  }
  Status Take() { return diagnostics_.Take(); }

 private:
  Diagnostics diagnostics_;
};

void CheckTrace(const Workload& workload, Rules& rules) {
  const Arrivals& arrivals = workload.arrivals;
  const std::string reason = "a trace brings its own arrivals";
  rules.Refuse(arrivals.process.has_value(), "arrivals.process", reason);
  rules.Refuse(arrivals.rate.has_value(), "arrivals.rate", reason);
  rules.Refuse(arrivals.burstiness.has_value(), "arrivals.burstiness", reason);
  rules.Refuse(arrivals.concurrency.has_value(), "arrivals.concurrency", reason);
  rules.Refuse(arrivals.closed_loop.has_value(), "arrivals.closed-loop", reason);
  rules.Refuse(workload.input_tokens.has_value(), "input_tokens", "a trace brings its own lengths");
  rules.Refuse(workload.output_tokens.has_value(), "output_tokens",
               "a trace brings its own lengths");
}

void CheckProcess(const Workload& workload, ArrivalProcess process, Rules& rules) {
  const Arrivals& arrivals = workload.arrivals;
  const std::string name = Codec<ArrivalProcess>::Write(process);
  const bool has_rate = process == ArrivalProcess::kPoisson || process == ArrivalProcess::kGamma ||
                        process == ArrivalProcess::kConstant;
  const bool is_loop = process == ArrivalProcess::kClosedLoop;
  const std::string reason = "arrivals are " + name;
  if (has_rate) {
    rules.Require(arrivals.rate.has_value(), "arrivals.rate",
                  fmt::format("{} arrivals need a rate", name), "rate: 4 req/s");
    if (arrivals.rate && !(Hertz{} < *arrivals.rate)) {
      rules.Break("arrivals.rate", "a rate must be above 0", "for example rate: 4 req/s");
    }
  } else {
    rules.Refuse(arrivals.rate.has_value(), "arrivals.rate", reason);
  }
  if (process != ArrivalProcess::kGamma) {
    rules.Refuse(arrivals.burstiness.has_value(), "arrivals.burstiness", reason);
  } else if (arrivals.burstiness && !(*arrivals.burstiness > 0.0)) {
    rules.Break("arrivals.burstiness", "a shape must be above 0", "1 is Poisson");
  }
  if (is_loop) {
    rules.Require(ConcurrencyOf(arrivals).has_value(), "arrivals.concurrency",
                  "a closed loop needs a concurrency", "concurrency: 64");
    if (arrivals.closed_loop && arrivals.concurrency) {
      rules.Break("arrivals.concurrency", "the concurrency is given twice", "keep one of the two");
    }
    if (ConcurrencyOf(arrivals).value_or(1) < 1) {
      rules.Break("arrivals.concurrency", "a concurrency must be at least 1", "use 1 or more");
    }
  } else {
    rules.Refuse(arrivals.concurrency.has_value(), "arrivals.concurrency", reason);
    rules.Refuse(arrivals.closed_loop.has_value(), "arrivals.closed-loop", reason);
  }
}

/// Cumulated gaps, rescaled so that the last is at n / rate.
void DrawArrivals(const Arrivals& arrivals, ArrivalProcess process, uint64_t seed,
                  std::vector<Request>& requests) {
  if (!arrivals.rate) {
    return;  // all at the start
  }
  RandomStream stream(seed, "arrivals");
  const double shape = arrivals.burstiness.value_or(1.0);
  std::vector<double> at;
  at.reserve(requests.size());
  double sum = 0.0;
  for (size_t i = 0; i < requests.size(); ++i) {
    switch (process) {
      case ArrivalProcess::kPoisson:
        sum += stream.Exponential(1.0);
        break;
      case ArrivalProcess::kGamma:
        sum += stream.Gamma(shape, 1.0 / shape);
        break;
      default:
        sum += 1.0;
    }
    at.push_back(sum);
  }
  const auto count = static_cast<double>(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    // Gaps of a very bursty process may all round to nothing; then everything comes at the end.
    const double part = sum > 0.0 ? at[i] / sum : 1.0;
    requests[i].arrival = Seconds::FromBase(count * part / arrivals.rate->base());
  }
}

std::string Describe(const Arrivals& arrivals, ArrivalProcess process, size_t count) {
  const std::string requests = Grouped(static_cast<int64_t>(count));
  switch (process) {
    case ArrivalProcess::kPoisson:
      return fmt::format("Poisson, {:.6g} req/s, {} requests", arrivals.rate->base(), requests);
    case ArrivalProcess::kGamma:
      return fmt::format("gamma, {:.6g} req/s, burstiness {:.6g}, {} requests",
                         arrivals.rate->base(), arrivals.burstiness.value_or(1.0), requests);
    case ArrivalProcess::kConstant:
      return fmt::format("constant, {:.6g} req/s, {} requests", arrivals.rate->base(), requests);
    case ArrivalProcess::kAllAtOnce:
      return fmt::format("all at once, {} requests", requests);
    case ArrivalProcess::kClosedLoop:
      return fmt::format("closed loop of {}, {} requests", *ConcurrencyOf(arrivals), requests);
  }
  return {};
}

Result<RequestLoad> ReadTrace(const Workload& workload, const std::filesystem::path& trace_file) {
  TraceRequest request{
      .file = trace_file, .requests = workload.requests, .spread = workload.arrivals.spread};
  std::string source;
  if (IsTraceDescription(trace_file)) {
    ASSIGN_OR_RETURN(const TraceDescription description, ReadTraceDescription(trace_file));
    request.file = trace_file.parent_path() / description.file;
    source = fmt::format("{} ({})", description.source, description.licence);
  }
  ASSIGN_OR_RETURN(RequestLoad load, ReadRequestTrace(request));
  load.description = fmt::format("trace {}, {} requests", workload.arrivals.trace,
                                 Grouped(static_cast<int64_t>(load.requests.size())));
  load.source = std::move(source);
  return load;
}

}  // namespace

Status CheckWorkload(const Workload& workload) {
  Rules rules;
  const std::optional<ArrivalProcess> process = ProcessOf(workload.arrivals);
  if (!workload.arrivals.trace.empty()) {
    CheckTrace(workload, rules);
    return rules.Take();
  }
  if (!process) {
    rules.Break("arrivals", "nothing says when requests arrive",
                "give a rate, a concurrency, process: all-at-once, or a trace");
  } else {
    CheckProcess(workload, *process, rules);
  }
  rules.Require(workload.requests.has_value(), "requests", "how many requests is not said",
                "requests: 1000");
  rules.Require(workload.input_tokens.has_value(), "input_tokens",
                "how long prompts are is not said", "input_tokens: 1024");
  rules.Require(workload.output_tokens.has_value(), "output_tokens",
                "how long answers are is not said", "output_tokens: 256");
  return rules.Take();
}

Result<RequestLoad> MakeLoad(const Workload& workload, const std::filesystem::path& trace_file,
                             uint64_t seed) {
  RETURN_IF_ERROR(CheckWorkload(workload));
  if (!workload.arrivals.trace.empty()) {
    return ReadTrace(workload, trace_file);
  }
  const ArrivalProcess process = *ProcessOf(workload.arrivals);
  RequestLoad load;
  load.requests.resize(static_cast<size_t>(*workload.requests));
  RandomStream inputs(seed, "input_tokens");
  RandomStream outputs(seed, "output_tokens");
  for (Request& request : load.requests) {
    request.input_tokens =
        inputs.UniformInteger(workload.input_tokens->min, workload.input_tokens->max);
    request.output_tokens =
        outputs.UniformInteger(workload.output_tokens->min, workload.output_tokens->max);
  }
  DrawArrivals(workload.arrivals, process, seed, load.requests);
  if (process == ArrivalProcess::kClosedLoop) {
    load.concurrency = ConcurrencyOf(workload.arrivals);
  }
  load.description = Describe(workload.arrivals, process, load.requests.size());
  return load;
}

}  // namespace ridgeline::workloads

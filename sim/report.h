/// The one report that every front end shows: metrics with unit, range and evidence, where the time
/// goes, what to know about it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/evidence.h"
#include "base/result.h"

namespace ridgeline::sim {

/// Names are the contract of DESIGN 9 ("step_time", "mfu", "memory.peak", "time.matmul" ...).
/// Values in base units: s, B, FLOP/s, "tokens/s", "1" for ratios and counts.
struct Metric {
  std::string name;
  double value = 0.0;
  std::string unit;
  double low = 0.0;
  double high = 0.0;
  Evidence evidence = Evidence::kAnalytic;
};

/// A share of the step: shares of one breakdown add up to the whole exactly as simulated.
struct Share {
  std::string name;   // "matmul"; its metric is "time.matmul" or "memory.weights"
  std::string title;  // "matrix multiplication"
  double value = 0.0;
};

/// A figure that the answer leaned on, for the reader who wants to check: rates below peak,
/// latencies, defaults taken.
struct Assumption {
  std::string what;
  std::string value;
  std::string source;
};

/// What was simulated: decides which metrics lead.
enum class ReportKind { kTraining, kServing, kForward };

/// The metric that leads, and that the breakdown of time adds up to.
constexpr std::string_view HeadlineMetric(ReportKind kind) {
  switch (kind) {
    case ReportKind::kTraining:
      return "step_time";
    case ReportKind::kServing:
      return "e2el.mean";
    case ReportKind::kForward:
      return "pass_time";
  }
  return {};
}

struct Report {
  ReportKind kind = ReportKind::kTraining;
  std::string
      title;  // "llama-3.1-70b, 64 x h100-sxm, tp 4 pp 4 dp 4, 8,192 tokens x 128 sequences"
  std::map<std::string, std::string> settings;  // resolved: "training.parallelism.tp" -> "4"
  std::vector<Metric> metrics;
  std::vector<Share>
      time;  // adds up to step_time (training), pass_time (forward), e2el.mean (serving)
  std::vector<Share> memory;  // adds up to memory.peak
  std::vector<Assumption> assumptions;
  std::vector<Error> warnings;
  bool fits = true;

  const Metric* Find(std::string_view name) const {
    for (const Metric& metric : metrics) {
      if (metric.name == name) {
        return &metric;
      }
    }
    return nullptr;
  }
};

}  // namespace ridgeline::sim

/// The one report that every front end shows: metrics with unit, range and evidence, where the time
/// goes, what to know about it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
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

/// The measurements that an answer used.
struct UsedCalibration {
  std::string name;             // of the profile: "h100-sxm"
  std::string sha256;           // of its file
  std::string gpu;              // that was measured
  bool is_transferred = false;  // to another GPU
  friend bool operator==(const UsedCalibration&, const UsedCalibration&) = default;
};

/// An operation whose cost was not measured, nor lies between measured ones.
struct UnmeasuredOperation {
  std::string what;    // the largest of its name and type: "grouped_gemm ..."
  double share = 0.0;  // of the time of all operations, with others of its name and type
  Evidence evidence = Evidence::kAnalytic;
};

/// Where a kind of operation stands under its GPU's roofline (sim/training/roofline_position.h).
struct OperationPosition {
  std::string name;             // "layer forward: query, key, value"
  std::string_view bound = {};  // "compute", "memory", "latency" or "network"
  double intensity = 0.0;       // FLOP a byte of memory traffic; 0: a collective
  double seconds = 0.0;         // busy, a rank and step
  double share = 0.0;           // of all busy time
  double of_bound = 0.0;        // of the rate that its bound allows at the vendor's figures
};

/// What ranks that split the work in one way tell each other in a step.
struct CommunicationUse {
  std::string name;      // "tensor": its metrics are "communication.tensor.busy" ...
  double busy = 0.0;     // seconds of its collectives on a rank's streams, the mean over ranks
  double exposed = 0.0;  // of those, what computation waited for
  double bytes = 0.0;    // that its collectives were asked for on a rank, as nccl-tests counts
  int64_t ranks = 1;     // of a group
  std::string where;     // "inside a node", "over 4 nodes"
};

inline constexpr size_t kNumEvidence = 4;

/// What was simulated: decides which metrics lead.
enum class ReportKind { kTraining, kServing, kForward, kTraffic };

/// The metric that leads, and that the breakdown of time adds up to.
constexpr std::string_view HeadlineMetric(ReportKind kind) {
  switch (kind) {
    case ReportKind::kTraining:
      return "step_time";
    case ReportKind::kServing:
      return "e2el.mean";
    case ReportKind::kForward:
      return "pass_time";
    case ReportKind::kTraffic:
      return "traffic_time";
  }
  return {};
}

struct Report {
  ReportKind kind = ReportKind::kTraining;
  std::string
      title;  // "llama-3.1-70b, 64 x h100-sxm, tp 4 pp 4 dp 4, 8,192 tokens x 128 sequences"
  std::map<std::string, std::string> settings;  // resolved: "training.parallelism.tp" -> "4"
  std::vector<Metric> metrics;
  std::vector<Share> time;    // adds up to step_time (training), pass_time (forward), e2el.mean
                              // (serving); traffic: none, its items overlap
  std::vector<Share> memory;  // adds up to memory.peak
  std::optional<UsedCalibration> calibration;  // unset: every cost is analytic
  /// Of the time of all operations (busy, not exposed), by Evidence; adds up to 1, or is all 0.
  /// Serving: of a request of mean lengths at the mean batch.
  std::array<double, kNumEvidence> evidence = {};
  std::vector<UnmeasuredOperation> unmeasured;  // largest share first
  std::vector<OperationPosition> operations;    // training: largest share first
  std::vector<CommunicationUse> communication;  // training, by group
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

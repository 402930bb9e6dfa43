/// What an answer's time rests on: how much of the operations' time was measured, interpolated,
/// extrapolated or computed, and which operations were not measured.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/evidence.h"
#include "base/operation.h"
#include "base/result.h"
#include "hardware/cluster.h"
#include "sim/compute/operation_time.h"
#include "sim/report.h"

namespace ridgeline::sim {

/// The `path` of errors that refuse what was not measured: it was asked for by this flag.
inline constexpr std::string_view kStrictPath = "--strict-calibration";
/// Refuses one operation, "gemm 512x4096x5120 bf16", on a GPU.
Error NotMeasured(const std::string& what, Evidence evidence, const std::string& gpu);

/// Busy time, not exposed time: a collective that hides behind a matrix multiplication counts too.
/// Collectives of one rank and costs of zero count for nothing.
class Reliance {
 public:
  using Work = std::variant<Operation, Collective>;

  /// `cost` of one execution, done `times` times. 0 times: asked for, but too rarely to count.
  void Add(const Work& work, const Cost& cost, double times = 1);
  void Add(const Reliance& other, double times);

  /// Of all the time; adds up to 1 unless nothing was added.
  std::array<double, kNumEvidence> Shares() const;
  /// The worst that matters: with everything worse it makes up at least a twentieth of the time.
  Evidence Overall() const;
  /// Fails (kFailedPrecondition, path kStrictPath) when the cluster takes measured costs only and
  /// something here is extrapolated or analytic; names it.
  Status CheckMeasured(const hardware::Cluster& cluster) const;
  /// Writes the shares, the operations that were not measured and the profile into the report, and
  /// names the evidence of every metric that depends on time.
  void WriteInto(Report& report, const compute::OperationTime& time) const;

 private:
  struct Entry {  // one name and evidence
    Work largest;
    double largest_seconds = 0;  // of one execution
    double seconds = 0;
    Evidence evidence = Evidence::kMeasured;
  };
  void Merge(const Entry& entry);
  std::vector<UnmeasuredOperation> Unmeasured() const;  // largest share first

  std::vector<Entry> entries_;  // a dozen or two
};

}  // namespace ridgeline::sim

/// What a plan is judged by: metrics of a training step, worked out from a makespan (or a bound of
/// it) exactly as the report of `simulate` does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "sim/engine/sim_time.h"
#include "sim/scenario.h"

namespace ridgeline::planner {

/// What the metrics of one configuration are made of.
struct StepFacts {
  engine::Picoseconds makespan = 0;
  Bytes allocated;           // of the fullest rank
  Bytes peak;                // likewise, with what is held beside it (training::PeakOf)
  Flops model_flops;         // of a replica's ranks together, per micro-batch
  Flops recompute_flops;     // likewise
  double micro_batches = 1;  // per replica and step
  double pp = 1;
  double gpus = 1;
};

/// A metric that a training plan can be asked for: an objective or a target.
class StepMetric {
 public:
  /// step_time, tokens_per_second, tokens_per_second_per_gpu, model_flops_per_gpu, mfu, hfu,
  /// memory.peak, memory.allocated, gpus. Errors: any other name; mfu and hfu on a GPU without a
  /// known peak.
  static Result<StepMetric> Named(std::string_view name, const sim::Scenario& scenario);

  /// Monotone in the makespan, so that a lower bound of the one is a bound of the other.
  double Of(const StepFacts& facts) const;

  const std::string& name() const { return name_; }
  bool is_minimized() const { return kind_ <= kGpus; }

 private:
  enum Kind {
    kStepTime,
    kMemoryPeak,
    kMemoryAllocated,
    kGpus,
    kTokensPerSecond,
    kTokensPerSecondPerGpu,
    kModelFlopsPerGpu,
    kMfu,
    kHfu
  };
  struct Name {
    std::string_view text;
    Kind kind;
  };
  static const std::vector<Name>& Names();

  Kind kind_ = kStepTime;
  std::string name_;
  double tokens_ = 0;  // per step
  double peak_ = 1;    // FLOP/s
};

/// A target on such a metric.
struct StepTarget {
  StepMetric metric;
  bool is_upper_bound = true;
  double value = 0;
  std::string written;

  bool IsMet(const StepFacts& facts) const {
    const double number = metric.Of(facts);
    return is_upper_bound ? number <= value : number >= value;
  }
  /// How far off, relative to the target; 0 when met.
  double Miss(const StepFacts& facts) const;
  /// Whether a shorter step brings the metric nearer: only then does a bound of the step speak.
  bool IsEasedByTime() const { return is_upper_bound == metric.is_minimized(); }
};

}  // namespace ridgeline::planner

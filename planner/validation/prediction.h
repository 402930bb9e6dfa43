/// A report of the simulator in the words of a measurement: the metric as the publisher defines it,
/// with its range.
#pragma once

#include "base/evidence.h"
#include "base/result.h"
#include "planner/validation/suite.h"
#include "sim/report.h"
#include "sim/scenario.h"

namespace ridgeline::validation {

struct Prediction {
  double value = 0.0;
  double low = 0.0;
  double high = 0.0;
  Evidence evidence = Evidence::kAnalytic;
};

/// The measurement's metric as predicted. Published rates are derived from `step_time` (the range
/// turns over): tokens/s/GPU = global batch x sequence / (time x GPUs); TFLOP/s/GPU by the row's
/// convention; MFU in percent of the GPU's peak in the job's precision. A metric that the report
/// lacks: UNIMPLEMENTED when reports of this work should have it, kFailedPrecondition otherwise.
Result<Prediction> PredictMetric(const Measurement& measurement, const FlopConvention& flops,
                                 const sim::Scenario& scenario, const sim::Report& report);

/// The MFU at which "causal model FLOPs / (GPUs x peak x MFU)" hits the measurement; 0 for metrics
/// that are no time and no rate, and for GPUs without a peak in the job's precision.
double MeasuredMfu(const Measurement& measurement, const FlopConvention& flops,
                   const sim::Scenario& scenario);

}  // namespace ridgeline::validation

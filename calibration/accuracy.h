/// Predictions against measurements: the error figures that `calibrate check` prints over points
/// that fitting has not seen.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/evidence.h"
#include "base/result.h"
#include "calibration/measurement.h"
#include "calibration/profile.h"
#include "hardware/gpu.h"

namespace ridgeline::calibration {

/// Errors are |predicted / measured - 1|.
struct AccuracyRow {
  std::string family;  // title of the table ("gemm bf16")
  std::string band;    // of measured time; "all"
  int64_t points = 0;
  double mape = 0;
  double median = 0;
  double p90 = 0;
  double worst = 0;
  double bias = 0;               // mean of predicted / measured - 1
  double coverage = 0;           // share of measurements inside the stated range
  double median_half_width = 0;  // of (high - low) / 2 over the prediction
  int64_t extrapolated = 0;      // points whose evidence is extrapolated or analytic
  std::string worst_case = {};   // the operation that `worst` is of
  std::string source = {};       // of the measured points; empty when the caller did not say
};

using Predictor = std::function<Result<Cost>(const TimedOperation&, const Condition&)>;

/// Rows by family in order of first appearance, each with its bands and "all" last. Points that
/// were skipped or that `predict` fails for are left out and counted in
/// `unpriced`.
struct Accuracy {
  std::vector<AccuracyRow> rows;
  int64_t unpriced = 0;
};
Accuracy MeasureAccuracy(std::span<const Measurement> points, const Predictor& predict);

/// Each point priced by the tables of its own source: another library's kernels take another time,
/// and which of the two a simulation runs is no error of either. Points of a source that the
/// profile has no table of (somebody's own log or trace) are priced by all of it. Rows of imported
/// points say so.
Accuracy MeasureAccuracy(std::span<const Measurement> points, const Profile& profile,
                         const hardware::Gpu& gpu);
/// The tables of one source and variant alone, which then answer plain questions.
Profile OfSource(const Profile& profile, std::string_view source, std::string_view variant = "");

}  // namespace ridgeline::calibration

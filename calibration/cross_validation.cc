#include "calibration/cross_validation.h"

#include <algorithm>
#include <cmath>

#include "base/percentile.h"
#include "base/random.h"

namespace ridgeline::calibration {
namespace {

constexpr double kTail = 0.05;  // on each side of a 90 % range
constexpr size_t kFewestInBand = 60;

}  // namespace

std::vector<uint8_t> FoldsOf(size_t rows) {
  RandomStream random(1, "calibration folds");
  std::vector<uint8_t> folds(rows);
  for (uint8_t& fold : folds) {
    fold = static_cast<uint8_t>(random.UniformInteger(0, kFolds - 1));
  }
  return folds;
}

double Objective(std::span<const UnseenRow> rows) {
  std::vector<double> errors;
  for (const UnseenRow& row : rows) {
    errors.push_back(std::abs(row.error));
  }
  return ExactQuantile(errors, 0.5) + ExactQuantile(errors, 0.9) / 4;
}

std::array<ErrorScale, kNumBands> FitErrorScales(std::span<const UnseenRow> rows) {
  std::array<std::vector<double>, kNumBands> scores;
  std::vector<double> all;
  for (const UnseenRow& row : rows) {
    const double score = row.error / row.typical;
    scores[BandOf(Seconds::FromBase(std::exp(row.log_time)))].push_back(score);
    all.push_back(score);
  }
  std::array<ErrorScale, kNumBands> scales;
  for (size_t band = 0; band < kNumBands; ++band) {
    std::vector<double>& of_band = scores[band].size() < kFewestInBand ? all : scores[band];
    // The outermost of few scores hold less than they seem to: the conformal correction.
    const double count = static_cast<double>(of_band.size());
    const double upper = std::min(1.0, (1 - kTail) * (count + 1) / count);
    scales[band] = {.below = std::max(0.5, -ExactQuantile(of_band, 1 - upper)),
                    .above = std::max(0.5, ExactQuantile(of_band, upper))};
  }
  return scales;
}

LeaveOneOut Summarise(std::span<const UnseenRow> rows,
                      const std::array<ErrorScale, kNumBands>& scales) {
  std::vector<double> errors;
  std::vector<double> widths;
  double inside = 0;
  for (const UnseenRow& row : rows) {
    const ErrorScale& scale = scales[BandOf(Seconds::FromBase(std::exp(row.log_time)))];
    errors.push_back(std::abs(std::expm1(-row.error)));
    widths.push_back((std::exp(scale.above * row.typical) - std::exp(-scale.below * row.typical)) /
                     2);
    inside +=
        row.error >= -scale.below * row.typical && row.error <= scale.above * row.typical ? 1 : 0;
  }
  return {.median = ExactQuantile(errors, 0.5),
          .p90 = ExactQuantile(errors, 0.9),
          .coverage = inside / static_cast<double>(rows.size()),
          .half_width = ExactQuantile(widths, 0.5)};
}

}  // namespace ridgeline::calibration

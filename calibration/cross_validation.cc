#include "calibration/cross_validation.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/percentile.h"
#include "base/random.h"

namespace ridgeline::calibration {
namespace {

// Models are fitted to all rows in the end, a quarter more than any fold had, and err less: of
// unseen points one or two in a hundred more lie inside than of these.
constexpr double kInside = 0.885;
constexpr size_t kFewestInBand = 60;
constexpr double kLeastScale = 0.5;

/// The shortest range around zero that holds nine scores in ten: errors are skewed, for a shape is
/// more often far slower than expected than far faster, and equal tails would say less than can be
/// said. The outermost of few scores hold less than they seem to: one more must be inside.
ErrorScale Shortest(std::vector<double> scores) {
  std::sort(scores.begin(), scores.end());
  const size_t inside =
      std::min(scores.size(),
               static_cast<size_t>(std::ceil(kInside * static_cast<double>(scores.size() + 1))));
  ErrorScale best;
  double least = 1e300;
  for (size_t first = 0; first + inside <= scores.size(); ++first) {
    const double below = std::max(kLeastScale, -scores[first]);
    const double above = std::max(kLeastScale, scores[first + inside - 1]);
    if (below + above < least) {
      least = below + above;
      best = {.below = below, .above = above};
    }
  }
  return best;
}

}  // namespace

std::vector<uint8_t> FoldsOf(size_t rows) {
  RandomStream random(1, "calibration folds");
  std::vector<uint8_t> folds(rows);
  for (uint8_t& fold : folds) {
    fold = static_cast<uint8_t>(random.UniformInteger(0, kFolds - 1));
  }
  return folds;
}

double Objective(std::vector<double> absolute_errors) {
  return ExactQuantile(absolute_errors, 0.5) + ExactQuantile(absolute_errors, 0.9) / 4;
}

double Objective(std::span<const UnseenRow> rows) {
  std::vector<double> errors;
  for (const UnseenRow& row : rows) {
    errors.push_back(std::abs(row.error));
  }
  return Objective(std::move(errors));
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
    scales[band] = Shortest(scores[band].size() < kFewestInBand ? all : scores[band]);
  }
  return scales;
}

UnseenError Summarise(std::span<const UnseenRow> rows,
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

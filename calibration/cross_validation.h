/// Ranges from rows that a model has not seen: what both ways of fitting a residual share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "calibration/cost_table.h"

namespace ridgeline::calibration {

inline constexpr size_t kFolds = 5;
/// A fold for each row, the same for the same count. Rows are sorted by shape, and neighbours in
/// that order must not share a fold by more than chance: drawn at random.
std::vector<uint8_t> FoldsOf(size_t rows);

/// A row predicted by a model that was fitted without its fold.
struct UnseenRow {
  double log_time = 0;  // predicted
  double error = 0;     // measured over predicted, log
  double typical = 0;   // what the model expected |error| to be
};

/// Median plus a quarter of the 90th percentile of |error|: what models are chosen by, so that
/// neither the usual shape nor the awkward one is bought with the other.
double Objective(std::vector<double> absolute_errors);
double Objective(std::span<const UnseenRow> rows);

/// The shortest range that holds nine rows in ten, in units of the typical error, by band of
/// predicted time; a thin band takes all rows.
std::array<ErrorScale, kNumBands> FitErrorScales(std::span<const UnseenRow> rows);

/// Error figures, coverage and half-width of these rows under those scales.
UnseenError Summarise(std::span<const UnseenRow> rows,
                      const std::array<ErrorScale, kNumBands>& scales);

}  // namespace ridgeline::calibration

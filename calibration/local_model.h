/// Times between measured ones: physics first, the measured residual on top.
///
///     log t(x) = log P(x) + r(x)
///     P = floor + ((compute / compute_share)^p + (memory / memory_share)^p)^(1/p)
///
/// P is the roofline at shares of the vendor's peaks, with a smooth knee and a least time; four
/// fitted numbers a table. r is a weighted ridge regression, linear in the features' terms, over
/// the nearest measured shapes (local regression, Cleveland 1979, with his tricube weights).
/// Outside the measured box r is held at the neighbours' average, so that the answer goes over into
/// the roofline at the efficiency last seen instead of following a slope to nowhere.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "calibration/neighbour_index.h"
#include "calibration/shape_features.h"

namespace ridgeline::calibration {

inline constexpr size_t kMostNeighbours = 48;

struct Physics {
  double floor = 2e-6;  // s
  double compute_share = 0.7;
  double memory_share = 0.8;
  double knee = 2;  // p
};
/// log of P, seconds.
double LogPhysics(const Physics& physics, const Features& features);

/// The typical error of a prediction, from what is seen around it:
///     log e = constant + of_errors log(neighbour error) + of_spread log(spread)
///             + of_reach log(reach)
/// fitted over the rows' own errors when left out, because some neighbourhoods are smooth and some
/// are where a library changes kernels.
struct ErrorLaw {
  double constant = 0;
  double of_errors = 1;
  double of_spread = 0;
  double of_reach = 0;
};

struct LocalSettings {
  Physics physics;
  int neighbours = 16;
  std::array<float, kMostCoordinates> scale = {1, 1, 1, 1, 1, 1, 1, 1};  // of each coordinate
};

struct Estimate {
  double log_time = 0;
  double neighbour_error = 0;  // the neighbours' own when each is left out, weighted
  double spread = 0;           // of the neighbours' residuals about the local fit
  double reach = 0;            // to the farthest one used
  double octaves_outside = 0;  // of the box of measured coordinates, unscaled; 0: inside
};

/// What the law reads: logarithms of neighbour error, spread and reach, each kept off zero.
std::array<double, 3> ErrorSigns(const Estimate& estimate);
/// At least 0.1 %: a plane that passes through every neighbour is no certainty.
double TypicalError(const ErrorLaw& law, const Estimate& estimate);

class LocalModel {
 public:
  /// `errors`: of each row when it is left out (absolute, log); empty while they are not known yet.
  LocalModel(std::span<const Features> rows, std::span<const float> log_times,
             std::span<const float> errors, const LocalSettings& settings);
  /// `except`: a row to pretend was not measured.
  Estimate At(const Features& features, int32_t except = -1) const;

 private:
  struct Row {
    std::array<float, kMostTerms> terms;
    float residual;
    float error;
  };
  double OctavesOutside(const Features& features) const;
  NeighbourIndex::Place PlaceOf(const Features& features) const;
  double Residual(const Features& features, std::span<const Neighbour> found,
                  std::span<const double> weights, double& spread) const;

  LocalSettings settings_;
  int num_coordinates_ = 0;
  int num_terms_ = 0;
  std::vector<Row> rows_;
  std::array<float, kMostCoordinates> least_{};
  std::array<float, kMostCoordinates> most_{};
  NeighbourIndex index_;
};

}  // namespace ridgeline::calibration

#include "calibration/sustained_law.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/percentile.h"

namespace ridgeline::calibration {

double SustainedLaw::LogSlowdown(double utilisation) const {
  return points == 0 ? 0 : std::max(0.0, constant + slope * utilisation);
}

SustainedLaw SustainedLaw::WithHeadroom(double headroom) const {
  SustainedLaw law = *this;
  law.constant -= std::log(headroom) / 3;
  return law;
}

SustainedLaw FitSustainedLaw(std::span<const SustainedPoint> points) {
  if (points.size() < kFewestSustained) {
    return {};
  }
  const auto count = static_cast<double>(points.size());
  double mean_u = 0;
  double mean_y = 0;
  for (const SustainedPoint& point : points) {
    mean_u += point.utilisation / count;
    mean_y += point.log_slowdown / count;
  }
  double covariance = 0;
  double variance = 0;
  for (const SustainedPoint& point : points) {
    covariance += (point.utilisation - mean_u) * (point.log_slowdown - mean_y);
    variance += (point.utilisation - mean_u) * (point.utilisation - mean_u);
  }
  if (variance <= 0 || covariance <= 0) {
    return {};
  }
  SustainedLaw law{.slope = covariance / variance, .points = static_cast<int64_t>(points.size())};
  law.constant = mean_y - law.slope * mean_u;
  std::vector<double> errors;
  for (const SustainedPoint& point : points) {
    errors.push_back(std::abs(point.log_slowdown - law.LogSlowdown(point.utilisation)));
  }
  law.error = ExactQuantile(errors, std::min(1.0, 0.9 * (count + 1) / count));
  return law;
}

}  // namespace ridgeline::calibration

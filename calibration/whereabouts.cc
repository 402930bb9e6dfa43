#include "calibration/whereabouts.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/percentile.h"

namespace ridgeline::calibration {
namespace {

// Octaves by which a shape may leave the box before it counts as outside: less than the step
// between any two sizes that matter, more than rounding.
constexpr double kBoxSlack = 0.02;

NeighbourIndex::Place PlaceOf(const Features& features) {
  NeighbourIndex::Place place{};
  std::copy_n(features.terms.begin(), features.num_coordinates, place.begin());
  return place;
}

}  // namespace

Whereabouts::Whereabouts(std::span<const Features> rows) {
  CHECK(!rows.empty());
  num_coordinates_ = rows.front().num_coordinates;
  least_.fill(1e9F);
  most_.fill(-1e9F);
  for (const Features& row : rows) {
    places_.push_back(PlaceOf(row));
    for (size_t d = 0; d < kMostCoordinates; ++d) {
      least_[d] = std::min(least_[d], places_.back()[d]);
      most_[d] = std::max(most_[d], places_.back()[d]);
    }
  }
  index_ = NeighbourIndex(places_, num_coordinates_);
}

double Whereabouts::OctavesOutside(const Features& features) const {
  double outside = 0;
  for (size_t d = 0; d < static_cast<size_t>(num_coordinates_); ++d) {
    const double value = features.terms[d];
    outside = std::max({outside, least_[d] - kBoxSlack - value, value - most_[d] - kBoxSlack});
  }
  return outside;
}

NearestRow Whereabouts::Nearest(const Features& features, double enough) const {
  Neighbour nearest;
  CHECK(index_.Find(PlaceOf(features), -1, {&nearest, 1}, static_cast<float>(enough)) == 1);
  return {.row = nearest.row, .distance = std::sqrt(nearest.distance2)};
}

double Whereabouts::BeginningOfHoles() const {
  std::vector<double> distances;
  for (size_t i = 0; i < places_.size(); ++i) {
    Neighbour nearest;
    index_.Find(places_[i], static_cast<int32_t>(i), {&nearest, 1});
    distances.push_back(std::sqrt(nearest.distance2));
  }
  constexpr double kSlack = 1.2;
  return kSlack * ExactQuantile(distances, 0.995);
}

}  // namespace ridgeline::calibration

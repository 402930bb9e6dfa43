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

Whereabout Whereabouts::Of(const Features& features, int32_t except) const {
  const NeighbourIndex::Place place = PlaceOf(features);
  Whereabout where;
  Neighbour nearest;
  if (index_.Find(place, except, {&nearest, 1}) == 1) {
    where.nearest = nearest.row;
    where.distance = std::sqrt(nearest.distance2);
  }
  for (size_t d = 0; d < static_cast<size_t>(num_coordinates_); ++d) {
    where.octaves_outside = std::max<double>(
        {where.octaves_outside, least_[d] - kBoxSlack - place[d], place[d] - most_[d] - kBoxSlack});
  }
  return where;
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

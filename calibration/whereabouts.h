/// Where a shape stands among the measured ones: beside which row, how far, and whether inside the
/// box that they span. In octaves of the features' coordinates, all alike: what a fit may leave out
/// as of no matter for the time still matters for whether anything like it was measured.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "calibration/neighbour_index.h"
#include "calibration/shape_features.h"

namespace ridgeline::calibration {

struct NearestRow {
  int32_t row = 0;
  double distance = 0;
};

class Whereabouts {
 public:
  explicit Whereabouts(std::span<const Features> rows);
  /// Of the box that the rows span; 0: inside.
  double OctavesOutside(const Features& features) const;
  /// A row within `enough` octaves will do for the nearest where there is one.
  NearestRow Nearest(const Features& features, double enough = 0) const;
  /// A fifth farther from its nearest row than all but one row in 200 are from theirs: a hole
  /// begins there. The middle of a cell of a grid lies nearer than that.
  double BeginningOfHoles() const;

 private:
  int num_coordinates_ = 0;
  std::vector<NeighbourIndex::Place> places_;
  std::array<float, kMostCoordinates> least_{};
  std::array<float, kMostCoordinates> most_{};
  NeighbourIndex index_;
};

}  // namespace ridgeline::calibration

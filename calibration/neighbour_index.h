/// The nearest of many points in a few dimensions: a balanced k-d tree in one array (Bentley 1975).
/// Built in O(n log n); a query visits a handful of leaves for what is stored here (up to some
/// 30,000 points, 1 to 8 dimensions).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "calibration/shape_features.h"

namespace ridgeline::calibration {

struct Neighbour {
  float distance2 = 0;  // squared Euclidean distance
  int32_t row = 0;
};

class NeighbourIndex {
 public:
  using Place = std::array<float, kMostCoordinates>;  // unused dimensions are 0

  NeighbourIndex() = default;
  NeighbourIndex(std::vector<Place> places, int dimensions);

  /// Fills `found` with the nearest rows, nearest first (ties by row), leaving out row `except`;
  /// returns how many there are.
  size_t Find(const Place& place, int32_t except, std::span<Neighbour> found) const;
  size_t size() const { return places_.size(); }

 private:
  struct Search;
  void Build(int32_t begin, int32_t end, int32_t node);
  void Visit(Search& search, int32_t begin, int32_t end, int32_t node) const;

  int dimensions_ = 0;
  std::vector<Place> places_;  // in tree order
  std::vector<int32_t> rows_;  // of each place
  std::vector<int8_t> split_dimensions_;
  std::vector<float> split_values_;
};

}  // namespace ridgeline::calibration

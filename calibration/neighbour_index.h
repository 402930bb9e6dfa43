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

inline constexpr size_t kMostFound = 64;

class NeighbourIndex {
 public:
  using Place = std::array<float, kMostCoordinates>;  // unused dimensions are 0

  NeighbourIndex() = default;
  NeighbourIndex(std::vector<Place> places, int dimensions);

  /// Fills `found` (kMostFound at most) with the nearest rows, nearest first (ties by row), leaving
  /// out row `except`; returns how many there are.
  /// `enough`: once all that is found lies within it, nearer ones need not be looked for.
  size_t Find(const Place& place, int32_t except, std::span<Neighbour> found,
              float enough = -1) const;
  size_t size() const { return rows_.size(); }

 private:
  // One register of SSE or NEON; a leaf's rows lie across its lanes, so that distances of four are
  // taken at once.
  using Float4 [[gnu::vector_size(16)]] = float;
  static constexpr size_t kLanes = 4;
  static constexpr size_t kLeafBlocks = 3;
  static constexpr int32_t kLeafSize = kLeafBlocks * kLanes;
  using Leaf = std::array<Float4, kLeafBlocks>;  // one coordinate of its rows

  struct Search;
  void Build(const std::vector<Place>& places, int32_t begin, int32_t end, int32_t node);
  void AddLeaf(const std::vector<Place>& places, int32_t begin, int32_t end);
  void Visit(Search& search, int32_t begin, int32_t end, int32_t node) const;

  int dimensions_ = 0;
  std::vector<int32_t> rows_;     // in tree order
  std::vector<int32_t> leaf_of_;  // where in leaves_, by its first place in tree order
  std::vector<Leaf> leaves_;      // of each leaf all coordinates
  std::vector<int8_t> split_dimensions_;
  std::vector<float> split_values_;
};

}  // namespace ridgeline::calibration

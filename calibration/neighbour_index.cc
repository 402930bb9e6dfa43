#include "calibration/neighbour_index.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/check.h"

namespace ridgeline::calibration {
namespace {

/// Orders by distance, then by row: the bits of floats that are not negative ascend as they do.
uint64_t KeyOf(float distance2, int32_t row) {
  return uint64_t{std::bit_cast<uint32_t>(distance2)} << 32 | static_cast<uint32_t>(row);
}
Neighbour NeighbourOf(uint64_t key) {
  return {.distance2 = std::bit_cast<float>(static_cast<uint32_t>(key >> 32)),
          .row = static_cast<int32_t>(key & 0xFFFFFFFFU)};
}

template <class Vector>
bool IsAnyWithin(const Vector& distances, float farthest) {
  const auto within = std::bit_cast<std::array<uint64_t, 2>>(distances <= farthest);
  return (within[0] | within[1]) != 0;
}

}  // namespace

struct NeighbourIndex::Search {
  Search(const Place& at, int32_t left_out, size_t most)
      : place(at), except(left_out), room(most) {}

  const Place& place;
  int32_t except;
  size_t room;
  size_t count = 0;
  std::array<uint64_t, kMostFound> keys;  // the first `count`, ascending
  Place offsets{};                        // from the place to the cell being visited, by dimension
  float bound = 0;                        // sum of their squares
  float enough2 = -1;                     // squared distance at which the search may stop

  float Farthest() const { return NeighbourOf(keys[count - 1]).distance2; }
  void Offer(float distance2, int32_t row) {
    const uint64_t key = KeyOf(distance2, row);
    const bool is_full = count == room;
    if (row == except || (is_full && key >= keys[count - 1])) {
      return;
    }
    size_t slot = is_full ? count - 1 : count++;
    for (; slot > 0 && key < keys[slot - 1]; --slot) {
      keys[slot] = keys[slot - 1];
    }
    keys[slot] = key;
  }
};

NeighbourIndex::NeighbourIndex(std::vector<Place> places, int dimensions)
    : dimensions_(dimensions), rows_(places.size()), leaf_of_(places.size()) {
  std::iota(rows_.begin(), rows_.end(), 0);
  Build(places, 0, static_cast<int32_t>(rows_.size()), 0);
}

void NeighbourIndex::AddLeaf(const std::vector<Place>& places, int32_t begin, int32_t end) {
  if (begin == end) {
    return;
  }
  const size_t first = leaves_.size();
  leaf_of_[static_cast<size_t>(begin)] = static_cast<int32_t>(first);
  leaves_.resize(first + static_cast<size_t>(dimensions_), Leaf{});
  for (int32_t i = begin; i < end; ++i) {
    const Place& place = places[static_cast<size_t>(rows_[static_cast<size_t>(i)])];
    const auto at = static_cast<size_t>(i - begin);
    for (size_t d = 0; d < static_cast<size_t>(dimensions_); ++d) {
      leaves_[first + d][at / kLanes][at % kLanes] = place[d];
    }
  }
}

// Nodes are numbered as in a heap.
void NeighbourIndex::Build(const std::vector<Place>& places, int32_t begin, int32_t end,
                           int32_t node) {
  if (end - begin <= kLeafSize) {
    AddLeaf(places, begin, end);
    return;
  }
  Place least = places[static_cast<size_t>(rows_[static_cast<size_t>(begin)])];
  Place most = least;
  for (int32_t i = begin; i < end; ++i) {
    const Place& place = places[static_cast<size_t>(rows_[static_cast<size_t>(i)])];
    for (int d = 0; d < dimensions_; ++d) {
      least[d] = std::min(least[d], place[d]);
      most[d] = std::max(most[d], place[d]);
    }
  }
  int widest = 0;
  for (int d = 1; d < dimensions_; ++d) {
    widest = most[d] - least[d] > most[widest] - least[widest] ? d : widest;
  }
  const int32_t middle = begin + (end - begin) / 2;
  std::nth_element(rows_.begin() + begin, rows_.begin() + middle, rows_.begin() + end,
                   [&](int32_t a, int32_t b) {
                     const float x = places[static_cast<size_t>(a)][widest];
                     const float y = places[static_cast<size_t>(b)][widest];
                     return x != y ? x < y : a < b;
                   });
  if (split_values_.size() <= static_cast<size_t>(node)) {
    split_values_.resize(static_cast<size_t>(node) + 1);
    split_dimensions_.resize(static_cast<size_t>(node) + 1);
  }
  split_dimensions_[static_cast<size_t>(node)] = static_cast<int8_t>(widest);
  split_values_[static_cast<size_t>(node)] =
      places[static_cast<size_t>(rows_[static_cast<size_t>(middle)])][widest];
  Build(places, begin, middle, 2 * node + 1);
  Build(places, middle, end, 2 * node + 2);
}

void NeighbourIndex::Visit(Search& search, int32_t begin, int32_t end, int32_t node) const {
  if (end - begin <= kLeafSize) {
    if (begin == end) {
      return;
    }
    const auto dimensions = static_cast<size_t>(dimensions_);
    const Leaf* const leaf = &leaves_[static_cast<size_t>(leaf_of_[static_cast<size_t>(begin)])];
    Leaf distances{};
    for (size_t d = 0; d < dimensions; ++d) {
      for (size_t block = 0; block < kLeafBlocks; ++block) {
        const Float4 step = leaf[d][block] - search.place[d];
        distances[block] += step * step;
      }
    }
    for (size_t block = 0; block < kLeafBlocks; ++block) {
      if (search.count == search.room && !IsAnyWithin(distances[block], search.Farthest())) {
        continue;
      }
      const int32_t first = begin + static_cast<int32_t>(block * kLanes);
      const int32_t last = std::min(end, first + static_cast<int32_t>(kLanes));
      for (int32_t i = first; i < last; ++i) {
        search.Offer(distances[block][i - first], rows_[static_cast<size_t>(i)]);
      }
    }
    return;
  }
  const int32_t middle = begin + (end - begin) / 2;
  const int d = split_dimensions_[static_cast<size_t>(node)];
  const float beyond = search.place[d] - split_values_[static_cast<size_t>(node)];
  const bool is_left = beyond < 0;
  const auto visit_left = [&] { Visit(search, begin, middle, 2 * node + 1); };
  const auto visit_right = [&] { Visit(search, middle, end, 2 * node + 2); };
  is_left ? visit_left() : visit_right();
  // What lies beyond the split is at least this far: the steps past earlier splits count too (Arya
  // and Mount 1993).
  const float before = search.offsets[d];
  const float bound = search.bound - before * before + beyond * beyond;
  if (search.count < search.room ||
      (bound <= search.Farthest() && search.Farthest() > search.enough2)) {
    const float outer = search.bound;
    search.bound = bound;
    search.offsets[d] = beyond;
    is_left ? visit_right() : visit_left();
    search.bound = outer;
    search.offsets[d] = before;
  }
}

size_t NeighbourIndex::Find(const Place& place, int32_t except, std::span<Neighbour> found,
                            float enough) const {
  CHECK(found.size() <= kMostFound, "{} neighbours", found.size());
  Search search(place, except, found.size());
  search.enough2 = enough >= 0 ? enough * enough : -1;
  if (!found.empty()) {
    Visit(search, 0, static_cast<int32_t>(rows_.size()), 0);
  }
  for (size_t i = 0; i < search.count; ++i) {
    found[i] = NeighbourOf(search.keys[i]);
  }
  return search.count;
}

}  // namespace ridgeline::calibration

#include "calibration/neighbour_index.h"

#include <algorithm>
#include <numeric>

namespace ridgeline::calibration {
namespace {

constexpr int32_t kLeafSize = 12;

bool IsNearer(const Neighbour& a, const Neighbour& b) {
  return a.distance2 != b.distance2 ? a.distance2 < b.distance2 : a.row < b.row;
}

}  // namespace

struct NeighbourIndex::Search {
  const Place& place;
  int32_t except;
  std::span<Neighbour> found;
  size_t count = 0;
  Place offsets{};  // from the place to the cell being visited, by dimension
  float bound = 0;  // sum of their squares
};

NeighbourIndex::NeighbourIndex(std::vector<Place> places, int dimensions)
    : dimensions_(dimensions), places_(std::move(places)), rows_(places_.size()) {
  std::iota(rows_.begin(), rows_.end(), 0);
  Build(0, static_cast<int32_t>(rows_.size()), 0);
  std::vector<Place> ordered(places_.size());
  for (size_t i = 0; i < rows_.size(); ++i) {
    ordered[i] = places_[static_cast<size_t>(rows_[i])];
  }
  places_ = std::move(ordered);
}

// Works on rows_, with places_ still in the caller's order; nodes are numbered as in a heap.
void NeighbourIndex::Build(int32_t begin, int32_t end, int32_t node) {
  if (end - begin <= kLeafSize) {
    return;
  }
  Place least = places_[static_cast<size_t>(rows_[static_cast<size_t>(begin)])];
  Place most = least;
  for (int32_t i = begin; i < end; ++i) {
    const Place& place = places_[static_cast<size_t>(rows_[static_cast<size_t>(i)])];
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
                     const float x = places_[static_cast<size_t>(a)][widest];
                     const float y = places_[static_cast<size_t>(b)][widest];
                     return x != y ? x < y : a < b;
                   });
  if (split_values_.size() <= static_cast<size_t>(node)) {
    split_values_.resize(static_cast<size_t>(node) + 1);
    split_dimensions_.resize(static_cast<size_t>(node) + 1);
  }
  split_dimensions_[static_cast<size_t>(node)] = static_cast<int8_t>(widest);
  split_values_[static_cast<size_t>(node)] =
      places_[static_cast<size_t>(rows_[static_cast<size_t>(middle)])][widest];
  Build(begin, middle, 2 * node + 1);
  Build(middle, end, 2 * node + 2);
}

void NeighbourIndex::Visit(Search& search, int32_t begin, int32_t end, int32_t node) const {
  if (end - begin <= kLeafSize) {
    for (int32_t i = begin; i < end; ++i) {
      const Place& place = places_[static_cast<size_t>(i)];
      float distance2 = 0;
      for (size_t d = 0; d < kMostCoordinates; ++d) {  // a constant count: one vector operation
        const float step = place[d] - search.place[d];
        distance2 += step * step;
      }
      const Neighbour candidate{.distance2 = distance2, .row = rows_[static_cast<size_t>(i)]};
      const bool is_full = search.count == search.found.size();
      if (candidate.row == search.except ||
          (is_full && !IsNearer(candidate, search.found[search.count - 1]))) {
        continue;
      }
      size_t slot = is_full ? search.count - 1 : search.count++;
      while (slot > 0 && IsNearer(candidate, search.found[slot - 1])) {
        search.found[slot] = search.found[slot - 1];
        --slot;
      }
      search.found[slot] = candidate;
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
  if (search.count < search.found.size() || bound <= search.found[search.count - 1].distance2) {
    const float outer = search.bound;
    search.bound = bound;
    search.offsets[d] = beyond;
    is_left ? visit_right() : visit_left();
    search.bound = outer;
    search.offsets[d] = before;
  }
}

size_t NeighbourIndex::Find(const Place& place, int32_t except, std::span<Neighbour> found) const {
  Search search{
      .place = place, .except = except, .found = found, .count = 0, .offsets = {}, .bound = 0};
  if (!found.empty()) {
    Visit(search, 0, static_cast<int32_t>(places_.size()), 0);
  }
  return search.count;
}

}  // namespace ridgeline::calibration

#include "calibration/local_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"

namespace ridgeline::calibration {
namespace {

// Octaves by which a shape may leave the box of measured ones before it counts as outside: less
// than the step between any two sizes that matter, more than rounding.
constexpr double kBoxSlack = 0.02;
// Of the ridge, against the weights' sum: keeps slopes that the neighbours do not determine at zero
// without biasing those they do.
constexpr double kRidge = 1e-3;
// How far beyond its neighbours' span a local line may reach, as a share of the span.
constexpr double kOvershoot = 0.5;

constexpr size_t kBlock = 4;
constexpr size_t kBlocks = kMostTerms / kBlock;
static_assert(kMostTerms % kBlock == 0);

// Vectors of one SSE or NEON register: loops over plain arrays become vectors only by luck, and
// this is the inner loop of `ridgeline cost`. Each sum keeps its order of additions.
using Float4 [[gnu::vector_size(16)]] = float;
using Double2 [[gnu::vector_size(16)]] = double;

Float4 Block(const std::array<float, kMostTerms>& terms, size_t block) {
  Float4 values;
  std::memcpy(&values, terms.data() + block * kBlock, sizeof(values));
  return values;
}

/// A row's terms about the shape in question, then the same times its weight.
struct Step {
  std::array<Float4, kBlocks> x;
  std::array<Float4, kBlocks> weighted;
};

/// Unknowns: the level, then a slope a term. Row j holds what the j-th equation has for the
/// unknowns from j on (the upper triangle), and its right-hand side in kSide.
constexpr size_t kMostUnknowns = kMostTerms + 1;
constexpr size_t kSide = kMostUnknowns;
class Equations {
 public:
  double& at(size_t row, size_t column) { return rows_[row][column / 2][column % 2]; }

  /// Cholesky; the system is positive definite.
  void Solve(size_t n, std::array<double, kMostUnknowns>& solution) {
    for (size_t j = 0; j < n; ++j) {
      const double root = std::sqrt(std::max(at(j, j), 1e-12));
      for (size_t c = j / 2; c < kPairs; ++c) {
        rows_[j][c] /= root;
      }
      at(j, j) = root;
      for (size_t row = j + 1; row < n; ++row) {
        const double factor = at(j, row);
        for (size_t c = row / 2; c < kPairs; ++c) {
          rows_[row][c] -= factor * rows_[j][c];
        }
      }
    }
    for (size_t i = n; i-- > 0;) {
      double left = at(i, kSide);
      for (size_t k = i + 1; k < n; ++k) {
        left -= at(i, k) * solution[k];
      }
      solution[i] = left / at(i, i);
    }
  }

 private:
  static constexpr size_t kPairs = (kMostUnknowns + 1) / 2;
  static_assert(kMostUnknowns % 2 == 1, "the right-hand sides fill the last pair");
  std::array<std::array<Double2, kPairs>, kMostUnknowns> rows_{};
};

/// Sum over the rows of weighted terms `row` (a block of four) times terms `column`, into the
/// equations' upper triangle.
void AddProducts(std::span<const Step> steps, size_t row, size_t column, Equations& equations) {
  std::array<Float4, kBlock> sums{};
  for (const Step& step : steps) {
    const Float4 weighted = step.weighted[row];
    const Float4 x = step.x[column];
    sums[0] += weighted[0] * x;
    sums[1] += weighted[1] * x;
    sums[2] += weighted[2] * x;
    sums[3] += weighted[3] * x;
  }
  for (size_t r = 0; r < kBlock; ++r) {
    for (size_t c = 0; c < kBlock; ++c) {
      if (column * kBlock + c <= row * kBlock + r) {
        equations.at(column * kBlock + c + 1, row * kBlock + r + 1) = sums[r][c];
      }
    }
  }
}

}  // namespace

double LogPhysics(const Physics& physics, const Features& features) {
  const double compute = features.compute_seconds / physics.compute_share;
  const double memory = features.memory_seconds / physics.memory_share;
  const double longer = std::max(compute, memory);
  if (longer <= 0) {
    return std::log(physics.floor);
  }
  const double shorter = std::min(compute, memory);
  return std::log(physics.floor + longer * std::pow(1 + std::pow(shorter / longer, physics.knee),
                                                    1 / physics.knee));
}

std::array<double, 3> ErrorSigns(const Estimate& estimate) {
  return {std::log(std::max(estimate.neighbour_error, 1e-3)),
          std::log(std::max(estimate.spread, 1e-4)), std::log(std::max(estimate.reach, 1e-2))};
}

double TypicalError(const ErrorLaw& law, const Estimate& estimate) {
  const std::array<double, 3> signs = ErrorSigns(estimate);
  return std::clamp(std::exp(law.constant + law.of_errors * signs[0] + law.of_spread * signs[1] +
                             law.of_reach * signs[2]),
                    1e-3, 2.0);
}

LocalModel::LocalModel(std::span<const Features> rows, std::span<const float> log_times,
                       std::span<const float> errors, const LocalSettings& settings)
    : settings_(settings), rows_(rows.size()) {
  CHECK(!rows.empty() && rows.size() == log_times.size());
  CHECK(errors.empty() || errors.size() == rows.size());
  CHECK(settings.neighbours > 0 && settings.neighbours <= static_cast<int>(kMostNeighbours));
  num_coordinates_ = rows.front().num_coordinates;
  num_terms_ = rows.front().num_terms;
  least_.fill(1e9F);
  most_.fill(-1e9F);
  std::vector<NeighbourIndex::Place> places(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    rows_[i] = {
        .terms = rows[i].terms,
        .residual = static_cast<float>(log_times[i] - LogPhysics(settings.physics, rows[i])),
        .error = errors.empty() ? 0.0F : errors[i]};
    places[i] = PlaceOf(rows[i]);
    for (int d = 0; d < num_coordinates_; ++d) {
      least_[d] = std::min(least_[d], rows[i].terms[d]);
      most_[d] = std::max(most_[d], rows[i].terms[d]);
    }
  }
  index_ = NeighbourIndex(std::move(places), num_coordinates_);
}

NeighbourIndex::Place LocalModel::PlaceOf(const Features& features) const {
  NeighbourIndex::Place place{};
  for (int d = 0; d < num_coordinates_; ++d) {
    place[d] = features.terms[d] * settings_.scale[d];
  }
  return place;
}

double LocalModel::Residual(const Features& features, std::span<const Neighbour> found,
                            std::span<const double> weights, double& spread) const {
  const auto terms = static_cast<size_t>(num_terms_);
  const size_t blocks = (terms + kBlock - 1) / kBlock;
  std::array<Step, kMostNeighbours> storage;
  const std::span<Step> steps(storage.data(), found.size());
  std::array<Float4, kBlocks> level{};  // sums of weighted terms
  std::array<Float4, kBlocks> sides{};  // and of these times the residual
  float weight_sum = 0;
  float level_side = 0;
  double sum = 0;
  double least = 1e9;
  double most = -1e9;
  for (size_t i = 0; i < found.size(); ++i) {
    const Row& row = rows_[static_cast<size_t>(found[i].row)];
    const auto weight = static_cast<float>(weights[i]);
    Step& step = steps[i];
    for (size_t b = 0; b < blocks; ++b) {
      step.x[b] = Block(row.terms, b) - Block(features.terms, b);
      step.weighted[b] = weight * step.x[b];
      level[b] += step.weighted[b];
      sides[b] += step.weighted[b] * row.residual;
    }
    weight_sum += weight;
    level_side += weight * row.residual;
    sum += weight;
    least = std::min<double>(least, row.residual);
    most = std::max<double>(most, row.residual);
  }
  Equations equations;
  equations.at(0, 0) = weight_sum;
  equations.at(0, kSide) = level_side;
  for (size_t t = 0; t < terms; ++t) {
    equations.at(0, t + 1) = level[t / kBlock][t % kBlock];
    equations.at(t + 1, kSide) = sides[t / kBlock][t % kBlock];
  }
  for (size_t row = 0; row < blocks; ++row) {
    for (size_t column = 0; column <= row; ++column) {
      AddProducts(steps, row, column, equations);
    }
  }
  for (size_t t = 1; t <= terms; ++t) {
    equations.at(t, t) += kRidge * sum;
  }
  std::array<double, kMostUnknowns> b{};
  equations.Solve(terms + 1, b);
  double squares = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const Row& row = rows_[static_cast<size_t>(found[i].row)];
    double fitted = b[0];
    for (size_t t = 0; t < terms; ++t) {
      fitted += b[t + 1] * (row.terms[t] - features.terms[t]);
    }
    squares += weights[i] * (row.residual - fitted) * (row.residual - fitted);
  }
  spread = std::sqrt(squares / sum);
  const double reach = kOvershoot * (most - least);
  return std::clamp(b[0], least - reach, most + reach);
}

double LocalModel::OctavesOutside(const Features& features) const {
  double octaves = 0;
  for (int d = 0; d < num_coordinates_; ++d) {
    const double value = features.terms[d];
    octaves = std::max({octaves, least_[d] - kBoxSlack - value, value - most_[d] - kBoxSlack});
  }
  return octaves;
}

Estimate LocalModel::At(const Features& features, int32_t except) const {
  std::array<Neighbour, kMostNeighbours> found_storage;
  const std::span<Neighbour> room(found_storage.data(), static_cast<size_t>(settings_.neighbours));
  const size_t count = index_.Find(PlaceOf(features), except, room);
  Estimate estimate{.log_time = LogPhysics(settings_.physics, features)};
  if (count == 0) {
    return estimate;
  }
  const std::span<const Neighbour> found = room.first(count);
  // Tricube, with the farthest neighbour just inside; shapes at one place weigh the same.
  const double radius = std::sqrt(found.back().distance2) * 1.001 + 1e-9;
  std::array<double, kMostNeighbours> weight_storage;
  const std::span<double> weights(weight_storage.data(), count);
  double sum = 0;
  double errors = 0;
  double average = 0;
  for (size_t i = 0; i < count; ++i) {
    const double u = std::sqrt(found[i].distance2) / radius;
    const double inner = 1 - u * u * u;
    weights[i] = inner * inner * inner + 1e-4;
    const Row& row = rows_[static_cast<size_t>(found[i].row)];
    sum += weights[i];
    errors += weights[i] * row.error;
    average += weights[i] * row.residual;
  }
  estimate.reach = std::sqrt(found.back().distance2);
  estimate.neighbour_error = errors / sum;
  estimate.octaves_outside = OctavesOutside(features);
  const double local = Residual(features, found, weights, estimate.spread);
  estimate.log_time += estimate.octaves_outside > 0 ? average / sum : local;
  return estimate;
}

}  // namespace ridgeline::calibration

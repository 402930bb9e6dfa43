#include "calibration/local_model.h"

#include <algorithm>
#include <cmath>

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

constexpr size_t kMostUnknowns = kMostTerms + 1;
constexpr size_t kSlots = 16;  // terms, then the constant, then nothing
static_assert(kSlots > kMostTerms);

/// Solves the positive definite system in place (Cholesky); only the lower triangle is read.
void Solve(std::array<std::array<double, kMostUnknowns>, kMostUnknowns>& a,
           std::array<double, kMostUnknowns>& b, size_t n) {
  for (size_t j = 0; j < n; ++j) {
    for (size_t i = j; i < n; ++i) {
      double sum = a[i][j];
      for (size_t k = 0; k < j; ++k) {
        sum -= a[i][k] * a[j][k];
      }
      a[i][j] = i == j ? std::sqrt(std::max(sum, 1e-12)) : sum / a[j][j];
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) {
      b[i] -= a[i][k] * b[k];
    }
    b[i] /= a[i][i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) {
      b[i] -= a[k][i] * b[k];
    }
    b[i] /= a[i][i];
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
  // Unknowns: the level, then a slope a term. Sums run over constant counts, zeros included, so
  // that they compile to vector operations: this is the inner loop of `ridgeline cost`.
  const auto unknowns = static_cast<size_t>(num_terms_) + 1;
  std::array<std::array<double, kMostUnknowns>, kMostUnknowns> a{};
  std::array<double, kMostUnknowns> b{};
  std::array<std::array<float, kSlots>, kSlots> products{};
  std::array<float, kSlots> sides{};
  std::array<float, kSlots> x{};
  double sum = 0;
  double least = 1e9;
  double most = -1e9;
  x[kMostTerms] = 1;
  for (size_t i = 0; i < found.size(); ++i) {
    const Row& row = rows_[static_cast<size_t>(found[i].row)];
    for (size_t t = 0; t < kMostTerms; ++t) {
      x[t] = row.terms[t] - features.terms[t];
    }
    const auto weight = static_cast<float>(weights[i]);
    sum += weight;
    for (size_t r = 0; r < kSlots; ++r) {
      const float wx = weight * x[r];
      for (size_t c = 0; c < kSlots; ++c) {
        products[r][c] += wx * x[c];
      }
      sides[r] += wx * row.residual;
    }
    least = std::min<double>(least, row.residual);
    most = std::max<double>(most, row.residual);
  }
  const auto slot = [](size_t unknown) { return unknown == 0 ? kMostTerms : unknown - 1; };
  for (size_t r = 0; r < unknowns; ++r) {
    for (size_t c = 0; c <= r; ++c) {
      a[r][c] = products[slot(r)][slot(c)];
    }
    b[r] = sides[slot(r)];
  }
  for (size_t t = 1; t < unknowns; ++t) {
    a[t][t] += kRidge * sum;
  }
  Solve(a, b, unknowns);
  double squares = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const Row& row = rows_[static_cast<size_t>(found[i].row)];
    double fitted = b[0];
    for (size_t t = 1; t < unknowns; ++t) {
      fitted += b[t] * (row.terms[t - 1] - features.terms[t - 1]);
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

Estimate LocalModel::Where(const Features& features) const {
  Neighbour nearest;
  Estimate estimate{.octaves_outside = OctavesOutside(features)};
  if (index_.Find(PlaceOf(features), -1, {&nearest, 1}) == 1) {
    estimate.nearest = nearest.row;
    estimate.distance = std::sqrt(nearest.distance2);
  }
  return estimate;
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
  estimate.nearest = found.front().row;
  estimate.distance = std::sqrt(found.front().distance2);
  estimate.reach = std::sqrt(found.back().distance2);
  estimate.neighbour_error = errors / sum;
  estimate.octaves_outside = OctavesOutside(features);
  const double local = Residual(features, found, weights, estimate.spread);
  estimate.log_time += estimate.octaves_outside > 0 ? average / sum : local;
  return estimate;
}

}  // namespace ridgeline::calibration

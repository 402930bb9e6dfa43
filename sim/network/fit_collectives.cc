#include "sim/network/fit_collectives.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "sim/network/algorithm_choice.h"

namespace ridgeline::network {
namespace {

using hardware::TimeCorrection;

constexpr double kNoise = 0.05;    // of a logarithm: beyond it errors count linearly
constexpr double kStepOfX = 1e-4;  // of derivatives
constexpr double kFarthest = 5.0;  // from the start, in logarithms
constexpr int kMostSteps = 100;
constexpr double kEnough = 1e-10;  // relative gain of a step below which the search ends
constexpr size_t kMostFactors = 7;

using Vector = std::array<double, kMostFactors>;
using Matrix = std::array<Vector, kMostFactors>;

/// The free factors as logarithms, in a fixed order.
class Coordinates {
 public:
  explicit Coordinates(const FitPlan& plan) : plan_(plan) {
    const FreeFactors& free = plan.free;
    const TimeCorrection& start = plan.start;
    Add(free.base, start.base);
    Add(free.step && !free.step_is_base, start.step);
    Add(free.growth, start.growth);
    Add(free.rate, start.rate);
    Add(free.copy && !free.copy_is_rate, start.copy);
    Add(free.fill, start.fill);
    Add(free.free, start.free.base());
  }

  size_t count() const { return count_; }
  const Vector& start() const { return start_; }

  TimeCorrection At(const Vector& x) const {
    const FreeFactors& free = plan_.free;
    TimeCorrection correction = plan_.start;
    size_t i = 0;
    const auto take = [&](bool is_free, double& value) {
      if (is_free) {
        value = std::exp(x[i++]);
      }
    };
    take(free.base, correction.base);
    take(free.step && !free.step_is_base, correction.step);
    take(free.growth, correction.growth);
    take(free.rate, correction.rate);
    take(free.copy && !free.copy_is_rate, correction.copy);
    take(free.fill, correction.fill);
    double bytes = correction.free.base();
    take(free.free, bytes);
    correction.free = Bytes::FromBase(bytes);
    if (free.step_is_base) {
      correction.step = correction.base;
    }
    if (free.copy_is_rate) {
      correction.copy = correction.rate;
    }
    return correction;
  }

 private:
  void Add(bool is_free, double value) {
    if (is_free) {
      CHECK(value > 0, "a factor is fitted from a start above zero");
      start_[count_++] = std::log(value);
    }
  }

  const FitPlan& plan_;
  Vector start_ = {};
  size_t count_ = 0;
};

double ErrorOf(const FitPoint& point, const TimeCorrection& correction) {
  return std::log(Corrected(point.terms, point.size, correction).total() / point.measured) / kNoise;
}

double Objective(std::span<const FitPoint> points, const Coordinates& at, const Vector& x) {
  const TimeCorrection correction = at.At(x);
  double sum = 0;
  for (const FitPoint& point : points) {
    const double error = ErrorOf(point, correction);
    sum += 2 * (std::sqrt(1 + error * error) - 1);
  }
  for (size_t j = 0; j < at.count(); ++j) {
    sum += (x[j] - at.start()[j]) * (x[j] - at.start()[j]);
  }
  return sum;
}

/// Normal equations of the objective, with the weights of soft L1.
struct Equations {
  Matrix left = {};
  Vector right = {};
};
Equations EquationsAt(std::span<const FitPoint> points, const Coordinates& at, const Vector& x) {
  const size_t n = at.count();
  const TimeCorrection here = at.At(x);
  std::array<TimeCorrection, kMostFactors> above;
  std::array<TimeCorrection, kMostFactors> below;
  for (size_t j = 0; j < n; ++j) {
    Vector moved = x;
    moved[j] = x[j] + kStepOfX;
    above[j] = at.At(moved);
    moved[j] = x[j] - kStepOfX;
    below[j] = at.At(moved);
  }
  Equations equations;
  for (const FitPoint& point : points) {
    const double error = ErrorOf(point, here);
    const double weight = 1 / std::sqrt(1 + error * error);
    Vector slope = {};
    for (size_t j = 0; j < n; ++j) {
      slope[j] = (ErrorOf(point, above[j]) - ErrorOf(point, below[j])) / (2 * kStepOfX);
    }
    for (size_t j = 0; j < n; ++j) {
      equations.right[j] -= weight * slope[j] * error;
      for (size_t k = 0; k < n; ++k) {
        equations.left[j][k] += weight * slope[j] * slope[k];
      }
    }
  }
  for (size_t j = 0; j < n; ++j) {
    equations.left[j][j] += 1;
    equations.right[j] -= x[j] - at.start()[j];
  }
  return equations;
}

/// Gaussian elimination with pivots; the matrix is positive definite.
Vector Solve(Equations e, size_t n) {
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < n; ++row) {
      if (std::abs(e.left[row][column]) > std::abs(e.left[pivot][column])) {
        pivot = row;
      }
    }
    std::swap(e.left[column], e.left[pivot]);
    std::swap(e.right[column], e.right[pivot]);
    for (size_t row = column + 1; row < n; ++row) {
      const double times = e.left[row][column] / e.left[column][column];
      for (size_t k = column; k < n; ++k) {
        e.left[row][k] -= times * e.left[column][k];
      }
      e.right[row] -= times * e.right[column];
    }
  }
  Vector solution = {};
  for (size_t row = n; row-- > 0;) {
    double sum = e.right[row];
    for (size_t k = row + 1; k < n; ++k) {
      sum -= e.left[row][k] * solution[k];
    }
    solution[row] = sum / e.left[row][row];
  }
  return solution;
}

const std::vector<FitPlan>& Plans() {
  using enum CollectiveAlgorithm;
  using P = CollectiveProtocol;
  // Shares of a channel's ceiling: those at which Hopper's 24 channels of a ring carry what its
  // links do, 0.92 x 360 GB/s in LL128 and 360 in Simple; 32 channels of sends the same.
  // NVLSTree's sum inside a node takes half of the library's figure, as NVLS was measured to.
  static const std::vector<FitPlan> plans = {
      {.algorithm = kRing,
       .protocol = P::kLl,
       .free = {.base = true,
                .step = true,
                .growth = true,
                .rate = true,
                .copy = true,
                .copy_is_rate = true,
                .free = true},
       .start = {.growth = 0.2, .copy = 1.0, .free = Bytes::FromBase(1024)}},
      {.algorithm = kRing,
       .protocol = P::kLl128,
       .free = {.base = true, .step = true, .rate = true, .copy = true, .fill = true},
       .start = {.copy = 2.0, .fill = 0.1, .channel = 0.376}},
      {.algorithm = kRing,
       .protocol = P::kSimple,
       .free = {.base = true, .step = true, .rate = true, .copy = true, .fill = true},
       .start = {.copy = 2.0, .fill = 0.1, .channel = 0.3876}},
      {.algorithm = kNvls,
       .protocol = P::kSimple,
       // The rate is the library's, whose asymptote was measured to 16 GiB: the fit ends at 512
       // MiB, where a rate and a ramp cannot be told apart.
       .free = {.step = true, .fill = true},
       .start = {.fill = 1.0}},
      {.algorithm = kPairwise,
       .protocol = P::kSimple,
       .free = {.base = true,
                .step = true,
                .step_is_base = true,
                .growth = true,
                .rate = true,
                .copy = true,
                .fill = true,
                .free = true},
       .start = {.growth = 0.5,
                 .copy = 2.0,
                 .fill = 0.1,
                 .free = Bytes::FromBase(16384),
                 .channel = 0.2907}},
      {.algorithm = kOneShot,
       .protocol = P::kSimple,
       .free = {.base = true, .rate = true},
       .start = {}},
      {.algorithm = kTwoShot,
       .protocol = P::kSimple,
       .free = {.base = true, .rate = true},
       .start = {}},
      {.algorithm = kNvlsTree,
       .protocol = P::kSimple,
       .is_one_node = false,
       .free = {.step = true, .growth = true},
       .start = {.base = 0.5, .growth = 1.0}},
      {.algorithm = kTree,
       .protocol = P::kLl128,
       .is_one_node = false,
       .free = {.base = true, .step = true, .step_is_base = true},
       .start = {},
       .is_for_all_protocols = true,
       .grows_as_nvls_tree = true},
      {.algorithm = kRing,
       .protocol = P::kLl128,
       .is_one_node = false,
       .free = {.base = true, .step = true, .step_is_base = true},
       .start = {}},
      {.algorithm = kRing,
       .protocol = P::kSimple,
       .is_one_node = false,
       .free = {.base = true, .step = true, .step_is_base = true, .fill = true},
       .start = {.fill = 0.1}},
  };
  return plans;
}

}  // namespace

int FreeFactors::count() const {
  return base + (step && !step_is_base) + growth + rate + (copy && !copy_is_rate) + fill + free;
}

FitPoint PointOf(const Collective& collective, const GroupLinks& links, Seconds measured) {
  const Choice choice = ChoiceOf(collective, links);
  return {.algorithm = choice.algorithm,
          .protocol = choice.algorithm == CollectiveAlgorithm::kPairwise
                          ? CollectiveProtocol::kSimple
                          : choice.protocol,
          .is_one_node = links.shape.is_one_node(),
          .terms = choice.terms,
          .size = collective.bytes,
          .measured = measured};
}

std::span<const FitPlan> FitPlans() { return Plans(); }

TimeCorrection FitCorrection(std::span<const FitPoint> points, const FitPlan& plan) {
  const Coordinates at(plan);
  const size_t n = at.count();
  Vector x = at.start();
  double objective = Objective(points, at, x);
  double damping = 1e-3;
  for (int step = 0; step < kMostSteps; ++step) {
    Equations equations = EquationsAt(points, at, x);
    for (size_t j = 0; j < n; ++j) {
      equations.left[j][j] *= 1 + damping;
    }
    const Vector move = Solve(equations, n);
    Vector next = x;
    for (size_t j = 0; j < n; ++j) {
      next[j] = std::clamp(x[j] + move[j], at.start()[j] - kFarthest, at.start()[j] + kFarthest);
    }
    const double better = Objective(points, at, next);
    if (better < objective) {
      const bool is_enough = objective - better < kEnough * objective;
      x = next;
      objective = better;
      damping = std::max(damping / 4, 1e-9);
      if (is_enough) {
        break;
      }
    } else if (damping > 1e6) {
      break;
    } else {
      damping *= 8;
    }
  }
  return at.At(x);
}

void FitCorrections(std::span<const FitPoint> points,
                    hardware::CollectiveCorrections& corrections) {
  for (FitPlan plan : FitPlans()) {
    std::vector<FitPoint> own;
    std::ranges::copy_if(points, std::back_inserter(own), [&](const FitPoint& point) {
      return point.algorithm == plan.algorithm && plan.Covers(point.protocol) &&
             point.is_one_node == plan.is_one_node;
    });
    if (own.empty()) {
      continue;
    }
    const auto& hop = corrections.nodes.nvls_tree.simple;
    if (plan.grows_as_nvls_tree && hop) {
      plan.start.growth = hop->growth;
    }
    const TimeCorrection found = FitCorrection(own, plan);
    hardware::ProtocolCorrections& of =
        *(plan.is_one_node ? corrections.one_node : corrections.nodes).Of(plan.algorithm);
    for (const CollectiveProtocol protocol :
         {CollectiveProtocol::kLl, CollectiveProtocol::kLl128, CollectiveProtocol::kSimple}) {
      if (plan.Covers(protocol)) {
        of.In(protocol) = found;
      }
    }
  }
}

}  // namespace ridgeline::network

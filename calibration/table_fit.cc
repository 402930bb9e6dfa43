#include "calibration/table_fit.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/percentile.h"
#include "base/random.h"
#include "calibration/boosted_fit.h"
#include "calibration/cross_validation.h"
#include "calibration/tree_inputs.h"
#include "calibration/whereabouts.h"

namespace ridgeline::calibration {
namespace {

constexpr size_t kPhysicsSample = 2000;
constexpr size_t kSearchSample = 1000;
// Fewer rows than these would be fitted to, not learned from.
constexpr size_t kFewestToSearch = 60;
constexpr size_t kEdgeSample = 60;
// Of a model's objective: what a slower one has to be better by to be preferred.
constexpr double kWorthTheWait = 0.95;

/// Every k-th row of a fixed shuffle, at most `count` of them.
std::vector<int32_t> Sample(size_t rows, size_t count) {
  std::vector<int32_t> order(rows);
  for (size_t i = 0; i < rows; ++i) {
    order[i] = static_cast<int32_t>(i);
  }
  RandomStream random(1, "calibration sample");
  for (size_t i = 0; i + 1 < rows && i < count; ++i) {
    const auto j = static_cast<size_t>(
        random.UniformInteger(static_cast<int64_t>(i), static_cast<int64_t>(rows) - 1));
    std::swap(order[i], order[j]);
  }
  order.resize(std::min(rows, count));
  std::sort(order.begin(), order.end());
  return order;
}

class TableFitter {
 public:
  TableFitter(std::vector<Features> features, std::span<const float> log_times)
      : features_(std::move(features)),
        log_times_(log_times),
        sample_(Sample(features_.size(), kSearchSample)) {}

  Physics FitPhysics() const {
    const std::vector<int32_t> sample = Sample(features_.size(), kPhysicsSample);
    std::vector<double> times;
    for (const float log_time : log_times_) {
      times.push_back(std::exp(log_time));
    }
    Physics best{.floor = std::max(ExactQuantile(times, 0.01), 1e-8)};
    double least = PhysicsError(best, sample);
    // Pattern search: each of the four numbers up and down by a factor that shrinks.
    for (double factor = 1.6; factor > 1.01;) {
      bool is_better = false;
      for (int which = 0; which < 4; ++which) {
        for (const double step : {factor, 1 / factor}) {
          const Physics trial = Stepped(best, which, step);
          const double error = PhysicsError(trial, sample);
          if (error < least) {
            least = error;
            best = trial;
            is_better = true;
          }
        }
      }
      factor = is_better ? factor : std::sqrt(factor);
    }
    return best;
  }

  LocalSettings Search(LocalSettings settings) const {
    double least = ObjectiveOf(settings);
    const auto accept = [&](const LocalSettings& trial) {
      const double objective = ObjectiveOf(trial);
      if (objective < least * 0.995) {
        least = objective;
        settings = trial;
        return true;
      }
      return false;
    };
    const auto try_neighbours = [&] {
      for (const int neighbours : {8, 12, 24, 32, 48}) {
        LocalSettings trial = settings;
        trial.neighbours = neighbours;
        accept(trial);
      }
    };
    try_neighbours();
    for (int round = 0; round < 2; ++round) {
      for (int d = 0; d < features_.front().num_coordinates; ++d) {
        for (const float factor : {2.0F, 0.5F, 0.1F}) {  // the last: as good as left out
          LocalSettings trial = settings;
          trial.scale[d] *= factor;
          accept(trial);
        }
      }
    }
    try_neighbours();
    return settings;
  }

  struct Estimated {
    double error = 0;  // measured over predicted, log
    Estimate estimate;
  };
  std::vector<Estimated> LeaveOut(const LocalSettings& settings) const {
    const LocalModel model(features_, log_times_, {}, settings);
    std::vector<Estimated> out(features_.size());
    for (size_t i = 0; i < out.size(); ++i) {
      const Estimate estimate = model.At(features_[i], static_cast<int32_t>(i));
      out[i] = {.error = log_times_[i] - estimate.log_time, .estimate = estimate};
    }
    return out;
  }

  /// Each row predicted, with what is seen around it, from rows of other folds only. Leave-one-out
  /// would not do for ranges: an odd row spoils its neighbours' own errors, and so announces
  /// itself.
  std::vector<Estimated> CrossValidate(const LocalSettings& settings) const {
    const std::vector<uint8_t> fold_of = FoldsOf(features_.size());
    std::vector<Estimated> out(features_.size());
    for (size_t fold = 0; fold < kFolds; ++fold) {
      std::vector<Features> others;
      std::vector<float> times;
      for (size_t i = 0; i < fold_of.size(); ++i) {
        if (fold_of[i] != fold) {
          others.push_back(features_[i]);
          times.push_back(log_times_[i]);
        }
      }
      if (others.empty()) {
        continue;
      }
      std::vector<float> errors(others.size());
      const LocalModel blind(others, times, {}, settings);
      for (size_t i = 0; i < others.size(); ++i) {
        errors[i] = std::abs(
            static_cast<float>(blind.At(others[i], static_cast<int32_t>(i)).log_time - times[i]));
      }
      const LocalModel model(others, times, errors, settings);
      for (size_t i = 0; i < fold_of.size(); ++i) {
        if (fold_of[i] == fold) {
          out[i].estimate = model.At(features_[i]);
          out[i].error = log_times_[i] - out[i].estimate.log_time;
        }
      }
    }
    return out;
  }

  /// What the prediction loses for each octave that it leaves the measured box by: the upper and
  /// lower octave of every coordinate is predicted from the rest.
  double ErrorPerOctave(const LocalSettings& settings) const {
    std::vector<double> rates;
    for (int d = 0; d < features_.front().num_coordinates; ++d) {
      const auto [low, high] = std::minmax_element(
          features_.begin(), features_.end(),
          [d](const Features& a, const Features& b) { return a.terms[d] < b.terms[d]; });
      const float least = low->terms[d];
      const float most = high->terms[d];
      if (most - least < 3) {
        continue;
      }
      for (const bool is_upper : {true, false}) {
        AddEdge(settings, d, is_upper ? most - 1.05F : least + 1.05F, is_upper, rates);
      }
    }
    return rates.empty() ? 0.3 : ExactQuantile(rates, 0.9);
  }

  size_t size() const { return features_.size(); }

 private:
  static Physics Stepped(Physics physics, int which, double step) {
    switch (which) {
      case 0:
        physics.floor *= step;
        break;
      case 1:
        physics.compute_share = std::clamp(physics.compute_share * step, 0.01, 1.0);
        break;
      case 2:
        physics.memory_share = std::clamp(physics.memory_share * step, 0.01, 1.0);
        break;
      default:
        physics.knee = std::clamp(physics.knee * step, 1.0, 16.0);
        break;
    }
    return physics;
  }

  double PhysicsError(const Physics& physics, std::span<const int32_t> sample) const {
    double sum = 0;
    for (const int32_t row : sample) {
      const auto i = static_cast<size_t>(row);
      sum += std::abs(log_times_[i] - LogPhysics(physics, features_[i]));
    }
    return sum / static_cast<double>(sample.size());
  }

  double ObjectiveOf(const LocalSettings& settings) const {
    const LocalModel model(features_, log_times_, {}, settings);
    std::vector<double> errors;
    for (const int32_t row : sample_) {
      const auto i = static_cast<size_t>(row);
      errors.push_back(std::abs(model.At(features_[i], row).log_time - log_times_[i]));
    }
    return Objective(std::move(errors));
  }

  void AddEdge(const LocalSettings& settings, int d, float cut, bool is_upper,
               std::vector<double>& rates) const {
    std::vector<Features> inside;
    std::vector<float> inside_times;
    std::vector<size_t> outside;
    for (size_t i = 0; i < features_.size(); ++i) {
      const float value = features_[i].terms[d];
      if (is_upper ? value > cut : value < cut) {
        outside.push_back(i);
      } else {
        inside.push_back(features_[i]);
        inside_times.push_back(log_times_[i]);
      }
    }
    if (inside.size() < 32 || outside.empty()) {
      return;
    }
    const LocalModel model(inside, inside_times, {}, settings);
    for (const int32_t pick : Sample(outside.size(), kEdgeSample)) {
      const size_t i = outside[static_cast<size_t>(pick)];
      const Estimate estimate = model.At(features_[i]);
      rates.push_back(std::abs(estimate.log_time - log_times_[i]) /
                      std::max(estimate.octaves_outside, 0.5));
    }
  }

  std::vector<Features> features_;
  std::span<const float> log_times_;
  std::vector<int32_t> sample_;
};

/// Least squares of log |error| on what is seen around each row.
ErrorLaw FitErrorLaw(std::span<const TableFitter::Estimated> rows) {
  std::array<std::array<double, 5>, 4> system{};  // normal equations, right-hand side last
  for (const TableFitter::Estimated& row : rows) {
    const std::array<double, 3> signs = ErrorSigns(row.estimate);
    const std::array<double, 5> x = {1, signs[0], signs[1], signs[2],
                                     std::log(std::max(std::abs(row.error), 1e-3))};
    for (size_t i = 0; i < 4; ++i) {
      for (size_t j = 0; j < 5; ++j) {
        system[i][j] += x[i] * x[j];
      }
    }
  }
  for (size_t i = 0; i < 4; ++i) {
    system[i][i] += 1e-3 * static_cast<double>(rows.size()) + 1e-9;
  }
  for (size_t i = 0; i < 4; ++i) {  // Gauss-Jordan; positive definite, so no pivoting
    for (size_t r = 0; r < 4; ++r) {
      const double share = r == i ? 0 : system[r][i] / system[i][i];
      for (size_t c = i; c < 5; ++c) {
        system[r][c] -= share * system[i][c];
      }
    }
  }
  return {.constant = system[0][4] / system[0][0],
          .of_errors = system[1][4] / system[1][1],
          .of_spread = system[2][4] / system[2][2],
          .of_reach = system[3][4] / system[3][3]};
}

/// Local regression's rows, with the law that says how wrong each is expected to be.
std::vector<UnseenRow> WithTypicalErrors(std::span<const TableFitter::Estimated> rows,
                                         const ErrorLaw& law) {
  std::vector<UnseenRow> out;
  for (const TableFitter::Estimated& row : rows) {
    out.push_back({.log_time = row.estimate.log_time,
                   .error = row.error,
                   .typical = TypicalError(law, row.estimate)});
  }
  return out;
}

/// Trees alone, their mean with local regression, local regression alone: the first is the fastest,
/// so the others must be better. Sets the table's share; returns the rows as that predicts them.
std::vector<UnseenRow> ChooseShare(std::span<const UnseenRow> local,
                                   std::span<const UnseenRow> trees, FittedTable& table) {
  std::vector<UnseenRow> best;
  double least = 0;
  for (const double share : {0.0, 0.5, 1.0}) {
    std::vector<UnseenRow> mixed(trees.begin(), trees.end());
    for (size_t i = 0; i < mixed.size(); ++i) {
      mixed[i].log_time += share * (local[i].log_time - trees[i].log_time);
      mixed[i].error += share * (local[i].error - trees[i].error);
    }
    const double objective = Objective(mixed);
    if (best.empty() || objective < kWorthTheWait * least) {
      least = objective;
      best = std::move(mixed);
      table.local_share = share;
    }
  }
  return best;
}

/// Trees on top of the prior where that is better on unseen rows, else from nothing; sets the
/// table's prior.
BoostedResiduals FitOnBest(TreeRows rows, std::span<const Shape> shapes,
                           std::shared_ptr<const Prior> prior, FittedTable& table) {
  BoostedResiduals plain = FitResiduals(rows, table.settings.physics);
  if (prior == nullptr) {
    return plain;
  }
  std::vector<float> from;
  for (const Shape& shape : shapes) {
    from.push_back(static_cast<float>(prior->At(shape)));
  }
  rows.prior = from;
  BoostedResiduals on_prior = FitResiduals(rows, table.settings.physics);
  if (Objective(on_prior.folded) > kWorthTheWait * Objective(plain.folded)) {
    return plain;
  }
  table.prior = std::move(prior);
  return on_prior;
}

}  // namespace

FittedTable FitTable(const TimedOperation& pattern, TableRows rows, const MachineRates& rates,
                     std::shared_ptr<const Prior> prior) {
  std::vector<Features> features;
  std::vector<Inputs> inputs;
  for (const Shape& shape : rows.shapes) {
    const TimedOperation operation = WithShape(pattern, shape);
    features.push_back(FeaturesOf(operation, rates));
    inputs.push_back(InputsOf(operation, rates, features.back()));
  }
  const TableFitter fitter(features, rows.log_times);
  FittedTable table;
  table.pattern = pattern;
  table.rates = rates;
  table.settings.physics = fitter.FitPhysics();
  if (fitter.size() >= kFewestToSearch) {
    table.settings = fitter.Search(table.settings);
  } else {
    table.settings.neighbours = 8;
  }
  for (const TableFitter::Estimated& row : fitter.LeaveOut(table.settings)) {
    table.errors.push_back(static_cast<float>(std::abs(row.error)));
  }
  table.farthest = Whereabouts(features).BeginningOfHoles();
  table.error_per_octave = fitter.ErrorPerOctave(table.settings);
  const std::vector<TableFitter::Estimated> local = fitter.CrossValidate(table.settings);
  table.error_law = FitErrorLaw(local);
  std::vector<UnseenRow> folded = WithTypicalErrors(local, table.error_law);
  if (fitter.size() >= kFewestForTrees) {
    const TreeRows tree_rows{.features = features,
                             .inputs = inputs,
                             .num_inputs = NumInputs(pattern),
                             .log_times = rows.log_times};
    const BoostedResiduals boosted = FitOnBest(tree_rows, rows.shapes, std::move(prior), table);
    folded = ChooseShare(folded, boosted.folded, table);
    if (table.local_share < 1) {
      table.residuals = boosted.trees;
    } else {
      table.prior.reset();
    }
    table.root_errors = FitRootErrors(tree_rows, folded);
    table.errors.assign(table.errors.size(), 0);
  }
  table.error_scales = FitErrorScales(folded);
  table.unseen = Summarise(folded, table.error_scales);
  table.shapes = std::move(rows.shapes);
  table.log_times = std::move(rows.log_times);
  return table;
}

}  // namespace ridgeline::calibration

#include "calibration/boosted_fit.h"

#include <algorithm>
#include <cmath>

namespace ridgeline::calibration {
namespace {

// Of a log time: what two measurements of one shape differ by (configs/calibration/README.md).
constexpr double kLeastError = 2e-3;

BoostingSettings ForResiduals(size_t rows) {
  // Of very many rows fewer, faster trees learn as much, and profiles stay small.
  constexpr size_t kMany = 600;
  constexpr size_t kVeryMany = 5000;
  BoostingSettings settings;
  settings.trees = rows < kMany ? 300 : rows < kVeryMany ? 1000 : 480;
  settings.rate = rows < kMany ? 0.06 : rows < kVeryMany ? 0.05 : 0.1;
  settings.leaf_steps = rows < kVeryMany ? 1 : 2;
  settings.clip_quantile = rows < kMany ? 0.9 : 0.8;
  return settings;
}

BoostingSettings ForErrors() {
  BoostingSettings settings;
  settings.trees = 120;
  settings.rate = 0.07;
  settings.leaf_steps = 8;
  settings.shrinkage = 5;
  settings.clip_quantile = 1;
  settings.most_borders = 63;
  return settings;
}

struct Selected {
  std::vector<Inputs> inputs;
  std::vector<float> targets;
};
Selected OtherFolds(std::span<const Inputs> inputs, std::span<const float> targets,
                    std::span<const uint8_t> folds, size_t fold) {
  Selected others;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (folds[i] != fold) {
      others.inputs.push_back(inputs[i]);
      others.targets.push_back(targets[i]);
    }
  }
  return others;
}

/// Calls use(row, trees) for every row, with trees that were fitted without its fold.
template <class Use>
void ForEachUnseen(std::span<const Inputs> inputs, size_t num_inputs,
                   std::span<const float> targets, std::span<const uint8_t> folds,
                   const BoostingSettings& settings, Use use) {
  for (size_t fold = 0; fold < kFolds; ++fold) {
    const Selected others = OtherFolds(inputs, targets, folds, fold);
    if (others.inputs.empty()) {
      continue;
    }
    const BoostedTrees trees = FitBoostedTrees(others.inputs, num_inputs, others.targets, settings);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (folds[i] == fold) {
        use(i, trees);
      }
    }
  }
}

}  // namespace

double TypicalError(const BoostedTrees& root_errors, const Inputs& inputs) {
  const double root = std::max(root_errors.At(inputs), 0.0);
  return std::clamp(root * root, kLeastError, 2.0);
}

BoostedResiduals FitResiduals(const TreeRows& rows, const Physics& physics) {
  const size_t count = rows.inputs.size();
  const bool has_prior = !rows.prior.empty();
  std::vector<Inputs> inputs(rows.inputs.begin(), rows.inputs.end());
  std::vector<float> bases(count);
  std::vector<float> targets(count);
  for (size_t i = 0; i < count; ++i) {
    bases[i] = static_cast<float>(LogPhysics(physics, rows.features[i]));
    if (has_prior) {
      bases[i] += rows.prior[i];
      inputs[i].at(rows.num_inputs) = rows.prior[i];
    }
    targets[i] = rows.log_times[i] - bases[i];
  }
  const size_t num_inputs = rows.num_inputs + (has_prior ? 1 : 0);
  const BoostingSettings settings = ForResiduals(count);
  BoostedResiduals fit{.trees = FitBoostedTrees(inputs, num_inputs, targets, settings),
                       .folded = std::vector<UnseenRow>(count)};
  ForEachUnseen(inputs, num_inputs, targets, FoldsOf(count), settings,
                [&](size_t i, const BoostedTrees& trees) {
                  UnseenRow& out = fit.folded[i];
                  out.log_time = bases[i] + trees.At(inputs[i]);
                  out.error = rows.log_times[i] - out.log_time;
                });
  return fit;
}

BoostedTrees FitRootErrors(const TreeRows& rows, std::vector<UnseenRow>& folded) {
  const size_t count = rows.inputs.size();
  std::vector<float> roots(count);
  for (size_t i = 0; i < count; ++i) {
    roots[i] = static_cast<float>(std::sqrt(std::min(std::abs(folded[i].error), 2.0)));
  }
  const BoostingSettings settings = ForErrors();
  ForEachUnseen(rows.inputs, rows.num_inputs, roots, FoldsOf(count), settings,
                [&](size_t i, const BoostedTrees& trees) {
                  folded[i].typical = TypicalError(trees, rows.inputs[i]);
                });
  return FitBoostedTrees(rows.inputs, rows.num_inputs, roots, settings);
}

}  // namespace ridgeline::calibration

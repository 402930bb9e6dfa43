#include "calibration/boosted_fit.h"

#include <algorithm>
#include <cmath>

namespace ridgeline::calibration {
namespace {

constexpr double kLeastError = 1e-3;  // of a log time: what is stored is no finer

BoostingSettings ForResiduals(size_t rows) {
  BoostingSettings settings;
  settings.trees = static_cast<int>(std::clamp<size_t>(rows / 2, 60, 1000));
  settings.rate = rows < 600 ? 0.08 : 0.05;
  return settings;
}

BoostingSettings ForErrors(size_t rows) {
  BoostingSettings settings;
  settings.trees = static_cast<int>(std::clamp<size_t>(rows / 20, 15, 100));
  settings.rate = 0.05;
  settings.inputs_share = 0.3;
  settings.shrinkage = 20;
  settings.clip_quantile = 1;
  settings.most_borders = 31;
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
void ForEachLeftOut(std::span<const Inputs> inputs, size_t num_inputs,
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

double TypicalError(const BoostedTrees& log_errors, const Inputs& inputs) {
  return std::clamp(std::exp(log_errors.At(inputs)), kLeastError, 2.0);
}

BoostedFit FitBoosted(std::span<const Features> features, std::span<const Inputs> inputs,
                      size_t num_inputs, std::span<const float> log_times, const Physics& physics) {
  const size_t rows = inputs.size();
  std::vector<float> targets(rows);
  for (size_t i = 0; i < rows; ++i) {
    targets[i] = static_cast<float>(log_times[i] - LogPhysics(physics, features[i]));
  }
  const std::vector<uint8_t> folds = FoldsOf(rows);
  const BoostingSettings settings = ForResiduals(rows);
  BoostedFit fit{.residuals = FitBoostedTrees(inputs, num_inputs, targets, settings),
                 .log_errors = {},
                 .folded = std::vector<UnseenRow>(rows)};
  std::vector<float> log_errors(rows);
  ForEachLeftOut(
      inputs, num_inputs, targets, folds, settings, [&](size_t i, const BoostedTrees& trees) {
        UnseenRow& out = fit.folded[i];
        out.log_time = LogPhysics(physics, features[i]) + trees.At(inputs[i]);
        out.error = log_times[i] - out.log_time;
        log_errors[i] = static_cast<float>(std::log(std::max(std::abs(out.error), kLeastError)));
      });
  const BoostingSettings error_settings = ForErrors(rows);
  fit.log_errors = FitBoostedTrees(inputs, num_inputs, log_errors, error_settings);
  ForEachLeftOut(inputs, num_inputs, log_errors, folds, error_settings,
                 [&](size_t i, const BoostedTrees& trees) {
                   fit.folded[i].typical = TypicalError(trees, inputs[i]);
                 });
  return fit;
}

}  // namespace ridgeline::calibration

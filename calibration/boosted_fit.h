/// Fits the trees of a table: those that predict what physics leaves over, and those that predict
/// how wrong the former are, from rows that they had not seen.
#pragma once

#include <span>
#include <vector>

#include "calibration/boosted_trees.h"
#include "calibration/cross_validation.h"
#include "calibration/local_model.h"

namespace ridgeline::calibration {

/// Fewer rows than these are left to local regression.
inline constexpr size_t kFewestForTrees = 60;

struct BoostedFit {
  BoostedTrees residuals;   // log of time over physics
  BoostedTrees log_errors;  // log of the typical |error|
  std::vector<UnseenRow> folded;
};
/// `features`, `inputs` and `log_times` are of the same rows. Six fits of each kind of tree: about
/// a second for 2,000 rows, ten for 18,000.
BoostedFit FitBoosted(std::span<const Features> features, std::span<const Inputs> inputs,
                      size_t num_inputs, std::span<const float> log_times, const Physics& physics);

/// What log_errors say, kept within what a range can use.
double TypicalError(const BoostedTrees& log_errors, const Inputs& inputs);

}  // namespace ridgeline::calibration

/// Fits the trees of a table: those that predict what physics leaves over, and those that predict
/// how wrong the former are, from rows that they had not seen.
#pragma once

#include <span>
#include <vector>

#include "calibration/boosted_trees.h"
#include "calibration/cross_validation.h"
#include "calibration/local_model.h"

namespace ridgeline::calibration {

/// Fewer rows than these are left to local regression and its own law of errors.
inline constexpr size_t kFewestForTrees = 40;

/// The rows of a table as trees see them.
struct TreeRows {
  std::span<const Features> features;
  std::span<const Inputs> inputs;
  size_t num_inputs = 0;
  std::span<const float> log_times;
  /// Of the table that this one starts from, by row; empty: from nothing. Added, and an input more.
  std::span<const float> prior = {};
};

struct BoostedResiduals {
  BoostedTrees trees;  // log of time over physics
  std::vector<UnseenRow> folded;
};
/// Six fits: about a second for 2,000 rows, ten for 18,000.
BoostedResiduals FitResiduals(const TreeRows& rows, const Physics& physics);

/// Square roots of errors are predicted: of their logarithms the smallest, which are chance, would
/// weigh most, of errors themselves the largest. Fills in `folded`'s typical errors, each by trees
/// that had not seen the row's fold.
BoostedTrees FitRootErrors(const TreeRows& rows, std::vector<UnseenRow>& folded);

/// The typical error that such trees say, kept within what a range can use.
double TypicalError(const BoostedTrees& root_errors, const Inputs& inputs);

}  // namespace ridgeline::calibration

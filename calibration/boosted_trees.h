/// What is left of a time after physics, as a sum of small trees: gradient boosting (Friedman, Ann.
/// Stat. 2001) over symmetric trees, every node of a level asking the same question (Prokhorenkova
/// et al., NeurIPS 2018). Libraries choose kernels by thresholds on sizes and on waves, which trees
/// find and planes do not; outside of what was measured a tree holds its last value, so the sum
/// goes over into physics at the efficiency last seen.
///
/// Fitting is deterministic: O(trees x depth x rows x inputs). An answer takes kDepth comparisons a
/// tree, about 1.5 us for 400.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ridgeline::calibration {

inline constexpr size_t kMostInputs = 40;
/// What a tree may ask about; entries beyond an operation's own are 0.
using Inputs = std::array<float, kMostInputs>;

/// Leaves are multiples of it, 0.024 %: later trees make up for the rounding.
inline constexpr float kLeafStep = 1.0F / 4096;

struct SymmetricTree {
  static constexpr int kDepth = 6;
  struct Question {
    uint8_t input = 0;
    uint8_t border = 0;  // is the input above borders[input][border]?
    friend bool operator==(const Question&, const Question&) = default;
  };
  std::array<Question, kDepth> questions{};
  std::array<float, size_t{1} << kDepth> leaves{};
  friend bool operator==(const SymmetricTree&, const SymmetricTree&) = default;
};

struct BoostedTrees {
  float base = 0;
  std::vector<std::vector<float>> borders;  // of each input, ascending, at most 255
  std::vector<SymmetricTree> trees;

  bool empty() const { return trees.empty(); }
  double At(const Inputs& inputs) const;
  friend bool operator==(const BoostedTrees&, const BoostedTrees&) = default;
};

struct BoostingSettings {
  int trees = 400;
  double rate = 0.05;         // share of each tree's answer that is taken
  double rows_share = 0.8;    // of rows that a tree sees
  double inputs_share = 0.3;  // of inputs that a level may ask about
  double shrinkage = 1;       // rows of zero residual that each leaf is given
  /// Residuals count as at most this quantile of all: a shape that fell onto an odd kernel shall
  /// not bend its neighbours.
  double clip_quantile = 0.8;
  int most_borders = 127;
  uint64_t seed = 1;
};
/// `rows` and `targets` are equally many and not none; inputs beyond `num_inputs` are not read.
BoostedTrees FitBoostedTrees(std::span<const Inputs> rows, size_t num_inputs,
                             std::span<const float> targets, const BoostingSettings& settings);

}  // namespace ridgeline::calibration

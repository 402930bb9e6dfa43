/// What is left of a time after physics, as a sum of small trees: gradient boosting (Friedman, Ann.
/// Stat. 2001) over symmetric trees, every node of a level asking the same question (Prokhorenkova
/// et al., NeurIPS 2018). Libraries choose kernels by thresholds on sizes and on waves, which trees
/// find and planes do not; outside of what was measured a tree holds its last value, so the sum
/// goes over into physics at the efficiency last seen.
///
/// Fitting is deterministic: O(trees x depth x rows x inputs). An answer takes kDepth comparisons a
/// tree, about 3 us for 1,000.
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

/// A tree asks kDepth questions; the answers are the bits of its leaf's number.
inline constexpr size_t kDepth = 6;
inline constexpr size_t kLeaves = size_t{1} << kDepth;
/// Leaves are whole multiples of it, 0.024 %: later trees make up for the rounding.
inline constexpr double kLeafStep = 1.0 / 4096;

struct SymmetricTree {
  std::array<uint8_t, kDepth> inputs{};   // which input
  std::array<uint8_t, kDepth> borders{};  // is it above borders[input][this]?
  std::array<int16_t, kLeaves> leaves{};  // in steps
  friend bool operator==(const SymmetricTree&, const SymmetricTree&) = default;
};

class BoostedTrees {
 public:
  BoostedTrees() = default;
  /// `borders`: of each input, ascending, at most 255; every tree's questions are among them.
  BoostedTrees(float base, std::vector<std::vector<float>> borders,
               std::vector<SymmetricTree> trees);

  bool empty() const { return trees_.empty(); }
  double At(const Inputs& inputs) const;

  float base() const { return base_; }
  const std::vector<std::vector<float>>& borders() const { return borders_; }
  const std::vector<SymmetricTree>& trees() const { return trees_; }

 private:
  // One register of SSE or NEON: four trees are asked at once, one a lane.
  static constexpr size_t kLanes = 4;
  using Float4 [[gnu::vector_size(16)]] = float;
  using Int4 [[gnu::vector_size(16)]] = int32_t;
  /// What At reads of four trees before their leaves, side by side.
  struct Questions {
    std::array<Float4, kDepth> thresholds{};
    std::array<std::array<uint8_t, kLanes>, kDepth> inputs{};
  };
  float base_ = 0;
  std::vector<std::vector<float>> borders_;
  std::vector<SymmetricTree> trees_;
  std::vector<Questions> questions_;
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
  int leaf_steps = 1;  // leaves are multiples of this many kLeafStep: what is coarser packs smaller
  uint64_t seed = 1;
};
/// `rows` and `targets` are equally many and not none; inputs beyond `num_inputs` are not read.
BoostedTrees FitBoostedTrees(std::span<const Inputs> rows, size_t num_inputs,
                             std::span<const float> targets, const BoostingSettings& settings);

}  // namespace ridgeline::calibration

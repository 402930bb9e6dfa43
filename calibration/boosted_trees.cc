#include "calibration/boosted_trees.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/percentile.h"
#include "base/random.h"

namespace ridgeline::calibration {
namespace {

constexpr double kMostSteps = 2000;  // of a leaf, half an e-fold: no tree is right to say more
constexpr double kLeastClip = 2e-3;  // of a log time: below it nothing is an outlier

/// Borders between the quantiles of one input; fewer where it takes few values.
std::vector<float> BordersOf(std::vector<float> values, int most) {
  std::sort(values.begin(), values.end());
  std::vector<float> unique = values;
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  std::vector<float> borders;
  const auto add = [&borders](float low, float high) {
    const float border = low + (high - low) / 2;
    if (borders.empty() || border > borders.back()) {
      borders.push_back(border);
    }
  };
  if (unique.size() <= static_cast<size_t>(most) + 1) {
    for (size_t i = 0; i + 1 < unique.size(); ++i) {
      add(unique[i], unique[i + 1]);
    }
    return borders;
  }
  for (int i = 1; i <= most; ++i) {
    const float at =
        values[values.size() * static_cast<size_t>(i) / (static_cast<size_t>(most) + 1)];
    const auto above = std::upper_bound(unique.begin(), unique.end(), at);
    if (above != unique.end()) {
      add(at, *above);
    }
  }
  return borders;
}

/// Grows trees over rows whose inputs are already numbers of bins.
class Booster {
 public:
  Booster(std::span<const Inputs> rows, size_t num_inputs, std::span<const float> targets,
          const BoostingSettings& settings)
      : settings_(settings), random_(settings.seed, "boosted trees") {
    const size_t count = rows.size();
    std::vector<float> column(count);
    for (size_t input = 0; input < num_inputs; ++input) {
      for (size_t i = 0; i < count; ++i) {
        column[i] = rows[i][input];
      }
      borders_.push_back(BordersOf(column, settings.most_borders));
      std::vector<uint8_t> bins(count);
      const std::vector<float>& borders = borders_.back();
      for (size_t i = 0; i < count; ++i) {
        bins[i] = static_cast<uint8_t>(std::lower_bound(borders.begin(), borders.end(), column[i]) -
                                       borders.begin());
      }
      bins_.push_back(std::move(bins));
      if (!borders.empty()) {
        usable_.push_back(static_cast<uint8_t>(input));
      }
    }
    std::vector<double> values(targets.begin(), targets.end());
    base_ = static_cast<float>(ExactQuantile(values, 0.5));
    residuals_.assign(targets.begin(), targets.end());
    for (float& residual : residuals_) {
      residual -= base_;
    }
    leaf_of_.resize(count);
    clipped_.resize(count);
  }

  BoostedTrees Grow() {
    for (int i = 0; i < settings_.trees && !usable_.empty(); ++i) {
      AddTree();
    }
    return {base_, std::move(borders_), std::move(trees_)};
  }

 private:
  struct Question {
    uint8_t input = 0;
    uint8_t border = 0;
  };
  void AddTree() {
    Clip();
    const size_t count = residuals_.size();
    seen_.clear();
    for (size_t i = 0; i < count; ++i) {
      if (random_.Uniform() < settings_.rows_share) {
        seen_.push_back(static_cast<uint32_t>(i));
      }
    }
    std::fill(leaf_of_.begin(), leaf_of_.end(), uint8_t{0});
    SymmetricTree tree;
    for (size_t level = 0; level < kDepth; ++level) {
      const Question best = BestQuestion(size_t{1} << level);
      tree.inputs[level] = best.input;
      tree.borders[level] = best.border;
      const std::vector<uint8_t>& bins = bins_[best.input];
      for (size_t i = 0; i < count; ++i) {
        leaf_of_[i] = static_cast<uint8_t>(leaf_of_[i] | ((bins[i] > best.border) << level));
      }
    }
    std::array<double, kLeaves> sums{};
    std::array<double, kLeaves> counts{};
    for (const uint32_t i : seen_) {
      sums[leaf_of_[i]] += clipped_[i];
      counts[leaf_of_[i]] += 1;
    }
    for (size_t leaf = 0; leaf < kLeaves; ++leaf) {
      const double value = settings_.rate * sums[leaf] / (counts[leaf] + settings_.shrinkage);
      const double step = kLeafStep * settings_.leaf_steps;
      tree.leaves[leaf] = static_cast<int16_t>(
          settings_.leaf_steps * std::clamp(std::round(value / step), -kMostSteps, kMostSteps));
    }
    for (size_t i = 0; i < count; ++i) {
      residuals_[i] -= static_cast<float>(kLeafStep * tree.leaves[leaf_of_[i]]);
    }
    trees_.push_back(tree);
  }

  void Clip() {
    std::vector<double> sizes(residuals_.size());
    for (size_t i = 0; i < sizes.size(); ++i) {
      sizes[i] = std::abs(residuals_[i]);
    }
    const auto clip =
        static_cast<float>(std::max(kLeastClip, ExactQuantile(sizes, settings_.clip_quantile)));
    for (size_t i = 0; i < residuals_.size(); ++i) {
      clipped_[i] = std::clamp(residuals_[i], -clip, clip);
    }
  }

  /// The question that takes the most from the squared residuals over all leaves of this level.
  Question BestQuestion(size_t leaves) {
    Question best{.input = usable_.front(), .border = 0};
    double most = -1;
    const size_t stride = static_cast<size_t>(settings_.most_borders) + 1;
    for (const uint8_t input : usable_) {
      if (random_.Uniform() >= settings_.inputs_share) {
        continue;
      }
      const std::vector<uint8_t>& bins = bins_[input];
      const size_t num_bins = borders_[input].size() + 1;
      sums_.assign(leaves * stride, 0);
      counts_.assign(leaves * stride, 0);
      for (const uint32_t i : seen_) {
        const size_t cell = leaf_of_[i] * stride + bins[i];
        sums_[cell] += clipped_[i];
        counts_[cell] += 1;
      }
      gains_.assign(num_bins - 1, 0);
      for (size_t leaf = 0; leaf < leaves; ++leaf) {
        AddGains(leaf * stride, num_bins);
      }
      for (size_t border = 0; border + 1 < num_bins; ++border) {
        if (gains_[border] > most) {
          most = gains_[border];
          best = {.input = input, .border = static_cast<uint8_t>(border)};
        }
      }
    }
    return best;
  }

  void AddGains(size_t first, size_t num_bins) {
    double sum = 0;
    double count = 0;
    for (size_t bin = 0; bin < num_bins; ++bin) {
      sum += sums_[first + bin];
      count += counts_[first + bin];
    }
    if (count == 0) {
      return;
    }
    double below = 0;
    double rows_below = 0;
    for (size_t bin = 0; bin + 1 < num_bins; ++bin) {
      below += sums_[first + bin];
      rows_below += counts_[first + bin];
      const double above = sum - below;
      gains_[bin] += below * below / (rows_below + settings_.shrinkage) +
                     above * above / (count - rows_below + settings_.shrinkage);
    }
  }

  const BoostingSettings& settings_;
  RandomStream random_;
  float base_ = 0;
  std::vector<std::vector<float>> borders_;
  std::vector<SymmetricTree> trees_;
  std::vector<std::vector<uint8_t>> bins_;  // [input][row]
  std::vector<uint8_t> usable_;             // inputs that vary
  std::vector<float> residuals_;
  std::vector<float> clipped_;
  std::vector<uint8_t> leaf_of_;
  std::vector<uint32_t> seen_;
  std::vector<double> sums_;
  std::vector<double> counts_;
  std::vector<double> gains_;
};

}  // namespace

BoostedTrees::BoostedTrees(float base, std::vector<std::vector<float>> borders,
                           std::vector<SymmetricTree> trees)
    : base_(base), borders_(std::move(borders)), trees_(std::move(trees)) {
  questions_.resize((trees_.size() + kLanes - 1) / kLanes);
  for (size_t i = 0; i < trees_.size(); ++i) {
    const SymmetricTree& tree = trees_[i];
    Questions& questions = questions_[i / kLanes];
    for (size_t level = 0; level < kDepth; ++level) {
      CHECK(tree.inputs[level] < borders_.size());
      CHECK(tree.inputs[level] < kMostInputs);
      questions.inputs[level][i % kLanes] = tree.inputs[level];
      questions.thresholds[level][i % kLanes] =
          borders_[tree.inputs[level]].at(tree.borders[level]);
    }
  }
}

double BoostedTrees::At(const Inputs& inputs) const {
  // Leaves of all of a simulation's tables together are more than a second-level cache holds: they
  // are fetched while the next trees are asked, and added up a group of trees later.
  constexpr size_t kGroup = 16;  // of questions
  std::array<const int16_t*, kGroup * kLanes> found;
  int64_t steps = 0;
  const SymmetricTree* tree = trees_.data();
  for (size_t first = 0; first < trees_.size(); first += found.size()) {
    const size_t count = std::min(trees_.size() - first, found.size());
    for (size_t i = 0; i < count; i += kLanes) {
      const Questions& asked = questions_[(first + i) / kLanes];
      Int4 leaf{};
      for (size_t level = 0; level < kDepth; ++level) {
        const std::array<uint8_t, kLanes>& which = asked.inputs[level];
        const Float4 values = {inputs[which[0]], inputs[which[1]], inputs[which[2]],
                               inputs[which[3]]};
        leaf |= (values > asked.thresholds[level]) & (1 << level);
      }
      const size_t lanes = std::min(count - i, kLanes);
      for (size_t lane = 0; lane < lanes; ++lane, ++tree) {
        found[i + lane] = &tree->leaves[static_cast<size_t>(leaf[lane])];
        __builtin_prefetch(found[i + lane]);
      }
    }
    for (size_t i = 0; i < count; ++i) {
      steps += *found[i];
    }
  }
  return base_ + kLeafStep * static_cast<double>(steps);
}

BoostedTrees FitBoostedTrees(std::span<const Inputs> rows, size_t num_inputs,
                             std::span<const float> targets, const BoostingSettings& settings) {
  CHECK(!rows.empty() && rows.size() == targets.size() && num_inputs <= kMostInputs);
  CHECK(settings.most_borders >= 1 && settings.most_borders <= 255);
  return Booster(rows, num_inputs, targets, settings).Grow();
}

}  // namespace ridgeline::calibration

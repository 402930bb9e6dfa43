/// How much longer each rank computes than a healthy one: a factor a rank, and one for each pass of
/// a layer on it.
///
/// A GPU's speed is drawn once, lognormal with mean 1 and the given deviation, and its operations
/// take the inverse; a slow rank's take its factor as well. Jitter multiplies each pass through a
/// layer by a lognormal factor of mean 1 and the given deviation: never negative, and longer tails
/// above than below, as delays have.
///
/// Draws are a hash of seed, rank, step and the pass's place (SplitMix64's finaliser), not a
/// stream: the same number whoever asks, in whatever order.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "sim/training/full_rank_groups.h"
#include "workloads/rank_variation.h"

namespace ridgeline::training {

/// One pass of one layer for one micro-batch in one step.
struct PassPlace {
  uint64_t step = 0;
  uint64_t chunk = 0;
  uint64_t position = 0;
  uint64_t micro_batch = 0;
  uint64_t kind = 0;  // workloads::SlotKind
  auto operator<=>(const PassPlace&) const = default;
};

class RankFactors {
 public:
  RankFactors(const workloads::RankVariation& variation, uint64_t seed, const StageRanks& ranks);

  bool has_jitter() const { return sigma_ > 0; }
  /// By replica of the stage; the same in every step.
  std::span<const double> OfStage(size_t stage) const { return of_stage_[stage]; }
  /// Those times the pass's jitter. O(replicas).
  void OfPass(size_t stage, const PassPlace& place, std::span<double> factors) const;

 private:
  double sigma_ = 0.0;  // of the jitter's logarithm
  std::vector<std::vector<double>> of_stage_;
  std::vector<std::vector<uint64_t>> keys_;  // by stage and replica
};

/// The factors of one step's passes, kept so that runs of the step at several bounds draw once.
/// Beyond `kMostKept` numbers they are drawn each time: the same ones.
class StepFactors {
 public:
  /// `factors` must outlive this.
  StepFactors(const RankFactors& factors, uint64_t step) : factors_(&factors), step_(step) {}

  /// By replica of the stage; valid until the next call.
  std::span<const double> OfPass(size_t stage, PassPlace place);
  std::span<const double> OfStage(size_t stage) const { return factors_->OfStage(stage); }

 private:
  static constexpr size_t kMostKept = size_t{1} << 27;  // 1 GiB

  const RankFactors* factors_;
  uint64_t step_;
  size_t num_kept_ = 0;
  std::map<PassPlace, std::vector<double>> kept_;
  std::vector<double> drawn_;
};

}  // namespace ridgeline::training

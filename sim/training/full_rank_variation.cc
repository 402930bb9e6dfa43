#include "sim/training/full_rank_variation.h"

#include <cmath>
#include <numbers>

namespace ridgeline::training {
namespace {

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): one step from `state`.
uint64_t Mixed(uint64_t state) {
  uint64_t z = state + 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

uint64_t Mixed(uint64_t state, uint64_t next) { return Mixed(state ^ Mixed(next)); }

/// (0, 1), 52 bits: never an end.
double Uniform(uint64_t bits) { return (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52; }

/// Box and Muller 1958.
double Normal(uint64_t key) {
  const double radius = std::sqrt(-2.0 * std::log(Uniform(Mixed(key))));
  return radius * std::cos(2.0 * std::numbers::pi * Uniform(Mixed(key + 1)));
}

/// Deviation of the logarithm of a lognormal variable of mean 1 and this deviation.
double LogDeviation(double deviation) { return std::sqrt(std::log1p(deviation * deviation)); }

/// Lognormal with mean 1.
double Lognormal(double sigma, uint64_t key) {
  return std::exp(sigma * Normal(key) - 0.5 * sigma * sigma);
}

constexpr uint64_t kSpeed = 1;  // what is drawn
constexpr uint64_t kJitter = 2;

}  // namespace

RankFactors::RankFactors(const workloads::RankVariation& variation, uint64_t seed,
                         const StageRanks& ranks)
    : sigma_(LogDeviation(variation.jitter)),
      of_stage_(ranks.stages(), std::vector<double>(ranks.replicas(), 1.0)),
      keys_(ranks.stages()) {
  const double speed = LogDeviation(variation.speed_spread);
  for (size_t stage = 0; stage < ranks.stages(); ++stage) {
    for (size_t replica = 0; replica < ranks.replicas(); ++replica) {
      const int64_t rank = ranks.RankOf(stage, replica);
      const uint64_t key = Mixed(seed, static_cast<uint64_t>(rank));
      keys_[stage].push_back(Mixed(key, kJitter));
      double& factor = of_stage_[stage][replica];
      if (speed > 0) {
        factor = 1.0 / Lognormal(speed, Mixed(key, kSpeed));
      }
      for (const workloads::SlowRank& slow : variation.slow) {
        factor *= slow.rank == rank ? slow.factor : 1.0;
      }
    }
  }
}

void RankFactors::OfPass(size_t stage, const PassPlace& place, std::span<double> factors) const {
  const std::vector<double>& own = of_stage_[stage];
  uint64_t where = Mixed(place.step);
  for (const uint64_t part : {place.chunk, place.position, place.micro_batch, place.kind}) {
    where = Mixed(where, part);
  }
  for (size_t replica = 0; replica < factors.size(); ++replica) {
    factors[replica] =
        own[replica] * (sigma_ > 0 ? Lognormal(sigma_, Mixed(keys_[stage][replica] ^ where)) : 1.0);
  }
}

std::span<const double> StepFactors::OfPass(size_t stage, PassPlace place) {
  if (!factors_->has_jitter()) {
    return OfStage(stage);
  }
  place.step = step_;
  if (const auto known = kept_.find(place); known != kept_.end()) {
    return known->second;
  }
  const size_t replicas = OfStage(stage).size();
  const bool keeps = num_kept_ + replicas <= kMostKept;
  std::vector<double>& factors = keeps ? kept_[place] : drawn_;
  num_kept_ += keeps ? replicas : 0;
  factors.resize(replicas);
  factors_->OfPass(stage, place, factors);
  return factors;
}

}  // namespace ridgeline::training

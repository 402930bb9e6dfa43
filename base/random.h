/// Named streams of random numbers from one seed. A stream's numbers depend on the seed and its
/// name only, so adding a consumer never shifts another's numbers; the distributions are ours
/// because the standard's differ between libraries.
#pragma once

#include <cstdint>
#include <string_view>

namespace ridgeline {

/// xoshiro256** (Blackman and Vigna, prng.di.unimi.it), seeded by SplitMix64 from seed and FNV-1a
/// of the name.
class RandomStream {
 public:
  RandomStream(uint64_t seed, std::string_view name);
  uint64_t NextBits();
  double Uniform();                                   // [0, 1), 53 bits
  double Uniform(double low, double high);            // [low, high)
  int64_t UniformInteger(int64_t low, int64_t high);  // both ends included, unbiased
  double Exponential(double rate);                    // mean 1 / rate
  double Normal();                           // mean 0, deviation 1 (polar method, spare kept)
  double Gamma(double shape, double scale);  // Marsaglia and Tsang 2000

 private:
  uint64_t state_[4];
  double spare_ = 0.0;
  bool has_spare_ = false;
};

}  // namespace ridgeline

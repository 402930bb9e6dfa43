#include "base/random.h"

#include <bit>
#include <cmath>

#include "base/check.h"

namespace ridgeline {
namespace {

/// One step of SplitMix64 (Steele, Lea, Flood 2014; constants of prng.di.unimi.it/splitmix64.c).
uint64_t SplitMix64(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// FNV-1a, 64 bits (isthe.com/chongo/tech/comp/fnv).
uint64_t HashName(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

}  // namespace

RandomStream::RandomStream(uint64_t seed, std::string_view name) {
  // The seed goes through one round before the name joins, so that neighbouring seeds and similar
  // names do not cancel.
  uint64_t mixed = SplitMix64(seed) ^ HashName(name);
  for (uint64_t& word : state_) {
    word = SplitMix64(mixed);
  }
}

uint64_t RandomStream::NextBits() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double RandomStream::Uniform() { return static_cast<double>(NextBits() >> 11) * 0x1.0p-53; }

double RandomStream::Uniform(double low, double high) {
  CHECK(low <= high, "low {}, high {}", low, high);
  const double value = low + (high - low) * Uniform();
  // Rounding may reach `high`, which is not in the interval.
  return value < high ? value : low;
}

int64_t RandomStream::UniformInteger(int64_t low, int64_t high) {
  CHECK(low <= high, "low {}, high {}", low, high);
  const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;
  if (span == 0) {  // all of int64
    return static_cast<int64_t>(NextBits());
  }
  // Reject the low 2^64 mod span values: what is left divides evenly.
  const uint64_t rejected = (0 - span) % span;
  uint64_t bits = NextBits();
  while (bits < rejected) {
    bits = NextBits();
  }
  return static_cast<int64_t>(static_cast<uint64_t>(low) + bits % span);
}

double RandomStream::Exponential(double rate) {
  CHECK(rate > 0.0, "rate {}", rate);
  return -std::log1p(-Uniform()) / rate;
}

double RandomStream::Normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  for (;;) {
    const double u = 2.0 * Uniform() - 1.0;
    const double v = 2.0 * Uniform() - 1.0;
    const double square = u * u + v * v;
    if (square > 0.0 && square < 1.0) {
      const double scale = std::sqrt(-2.0 * std::log(square) / square);
      spare_ = v * scale;
      has_spare_ = true;
      return u * scale;
    }
  }
}

double RandomStream::Gamma(double shape, double scale) {
  CHECK(shape > 0.0 && scale > 0.0, "shape {}, scale {}", shape, scale);
  if (shape < 1.0) {
    // Gamma(a) = Gamma(a + 1) U^(1/a); 1 - Uniform() is never zero.
    const double boost = std::pow(1.0 - Uniform(), 1.0 / shape);
    return Gamma(shape + 1.0, scale) * boost;
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = Normal();
    const double root = 1.0 + c * x;
    if (root <= 0.0) {
      continue;
    }
    const double v = root * root * root;
    const double u = 1.0 - Uniform();
    if (std::log(u) < 0.5 * x * x + d * (1.0 - v + std::log(v))) {
      return d * v * scale;
    }
  }
}

}  // namespace ridgeline

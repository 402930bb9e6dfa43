#include "calibration/tree_inputs.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "base/check.h"

namespace ridgeline::calibration {
namespace {

double Real(int64_t n) { return static_cast<double>(n); }
double Octaves(double x) { return std::log2(std::max(x, 1e-12)); }
double OctavesOf(int64_t n) { return Octaves(Real(std::max<int64_t>(n, 1))); }

class InputWriter {
 public:
  void Put(double value) {
    CHECK(count_ < kMostInputs);
    inputs_[count_++] = static_cast<float>(value);
  }
  /// Time of `tiles` equal pieces of work on all multiprocessors, and how full the last wave is.
  void Waves(double tiles, double work, double multiprocessors) {
    const double waves = std::ceil(tiles / multiprocessors);
    Put(Octaves(waves * work));
    Put(tiles / multiprocessors / waves);
  }
  const Inputs& inputs() const { return inputs_; }
  size_t count() const { return count_; }

 private:
  Inputs inputs_{};
  size_t count_ = 0;
};

struct Tile {
  double m;
  double n;
};
/// Tiles of cuBLAS's and CUTLASS's kernels on Ampere and Hopper, from the smallest that decoding
/// takes to the largest of two cooperating warpgroups.
constexpr std::array<Tile, 10> kTiles = {{{128, 128},
                                          {256, 128},
                                          {128, 256},
                                          {64, 64},
                                          {64, 128},
                                          {64, 256},
                                          {128, 64},
                                          {16, 64},
                                          {192, 128},
                                          {128, 192}}};

void Write(const Gemm& gemm, const MachineRates& rates, InputWriter& out) {
  out.Put(OctavesOf(gemm.batch));
  for (const Tile& tile : kTiles) {
    out.Waves(
        std::ceil(Real(gemm.m) / tile.m) * std::ceil(Real(gemm.n) / tile.n) * Real(gemm.batch),
        tile.m * tile.n, rates.multiprocessors);
  }
  out.Put(Octaves(Real(gemm.m) * Real(gemm.n)));
  out.Put(Octaves(Real(gemm.m) / Real(gemm.n)));
}

void Write(const GroupedGemm& gemm, const MachineRates& rates, InputWriter& out) {
  const double rows = std::max(1.0, Real(gemm.m) / Real(gemm.groups));
  out.Put(Octaves(rows));
  for (const double tile : {64.0, 128.0, 256.0}) {
    out.Waves(std::ceil(rows / tile) * std::ceil(Real(gemm.n) / 128) *
                  Real(std::min(gemm.groups, gemm.m)),
              tile, rates.multiprocessors);
  }
  out.Put(Octaves(Real(gemm.n) * Real(gemm.k)));
}

void Write(const Attention& attention, const MachineRates& rates, InputWriter& out) {
  const double sms = rates.multiprocessors;
  const double heads = Real(attention.batch) * Real(attention.heads);
  const double queries = Real(std::max<int64_t>(attention.q_len, 1));
  out.Put(Octaves(queries));
  out.Put(Octaves(Real(attention.heads) / Real(std::max<int64_t>(attention.kv_heads, 1))));
  out.Put(Octaves(heads));
  out.Put(Octaves(heads * queries * Real(attention.kv_len)));
  for (const double tile : {64.0, 128.0, 192.0}) {
    out.Waves(heads * std::ceil(queries / tile), tile, sms);
  }
  // A decoding block takes a key head of a sequence, or a part of its cache.
  const double pairs = Real(attention.batch) * Real(std::max<int64_t>(attention.kv_heads, 1));
  out.Waves(pairs, 1, sms);
  for (const double part : {128.0, 512.0}) {
    out.Waves(pairs * std::ceil(Real(attention.kv_len) / part), part, sms);
  }
  out.Put(std::fmod(queries, 128.0));
}

void Write(const MemoryBound& work, const MachineRates& rates, InputWriter& out) {
  const double rows = Real(std::max<int64_t>(work.rows, 1));
  const double bytes = std::max(1.0, (work.read + work.written).base());
  out.Put(Octaves(bytes / rows));
  out.Put(work.read.base() / bytes);
  for (const double at_once : {1.0, 2.0, 4.0, 8.0, 16.0}) {
    out.Waves(rows / at_once, bytes / rows, rates.multiprocessors);
  }
}

void Write(const MixtureLayer& layer, const MachineRates& rates, InputWriter& out) {
  const double experts = std::max(1.0, Real(layer.experts) / Real(layer.ep));
  const double rows = std::max(1.0, Real(layer.tokens) * Real(layer.top_k) / Real(layer.ep));
  const double each = std::max(1.0, rows / experts);
  out.Put(Octaves(rows));
  out.Put(Octaves(rows / experts));
  out.Put(Octaves(Real(layer.hidden) * Real(layer.ffn)));
  const double active = std::min(experts, rows);
  for (const double tile : {16.0, 64.0, 128.0}) {
    const double down = active * std::ceil(each / tile);
    out.Waves(down * std::ceil(Real(layer.ffn) / 64), tile, rates.multiprocessors);
    out.Waves(down * std::ceil(Real(layer.hidden) / 128), tile, rates.multiprocessors);
  }
}

void Write(const Collective& collective, const MachineRates& /*rates*/, InputWriter& out) {
  out.Put(Octaves(collective.bytes.base() / Real(std::max<int64_t>(collective.group.ranks, 1))));
}

void Write(const OtherOperation& /*operation*/, const MachineRates& /*rates*/,
           InputWriter& /*out*/) {}

InputWriter Written(const TimedOperation& operation, const MachineRates& rates,
                    const Features& features) {
  InputWriter out;
  for (size_t i = 0; i < features.num_terms; ++i) {
    out.Put(features.terms[i]);
  }
  out.Put(Octaves(features.compute_seconds));
  out.Put(Octaves(features.memory_seconds));
  out.Put(Octaves(features.compute_seconds / std::max(features.memory_seconds, 1e-12)));
  std::visit([&](const auto& op) { Write(op, rates, out); }, operation);
  return out;
}

}  // namespace

size_t NumInputs(const TimedOperation& pattern) {
  const MachineRates rates{.flops = 1, .bandwidth = 1, .multiprocessors = 1};
  return Written(pattern, rates, FeaturesOf(pattern, rates)).count();
}

Inputs InputsOf(const TimedOperation& operation, const MachineRates& rates,
                const Features& features) {
  return Written(operation, rates, features).inputs();
}

}  // namespace ridgeline::calibration

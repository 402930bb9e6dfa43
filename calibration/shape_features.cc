#include "calibration/shape_features.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "base/check.h"

namespace ridgeline::calibration {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

double Real(int64_t n) { return static_cast<double>(n); }

class FeatureWriter {
 public:
  void Coordinate(double octaves) {
    CHECK(features.num_terms == features.num_coordinates);
    CHECK(features.num_coordinates < kMostCoordinates);
    Write(octaves);
    features.num_coordinates = features.num_terms;
  }
  void Size(int64_t size) { Coordinate(std::log2(Real(std::max<int64_t>(size, 1)))); }
  void Term(double octaves) {
    CHECK(features.num_terms < kMostTerms);
    Write(octaves);
  }
  Features features;

 private:
  /// The logarithm of nothing (no bytes read, no rows) stands where that of one does.
  void Write(double octaves) {
    features.terms[features.num_terms++] =
        std::isfinite(octaves) ? static_cast<float>(octaves) : 0.0F;
  }
};

/// Octaves of time when `count` tiles of `tile_m` x `tile_n` run on all multiprocessors at once.
double WaveOctaves(const Gemm& gemm, double multiprocessors, double tile_m, double tile_n) {
  const double tiles =
      std::ceil(Real(gemm.m) / tile_m) * std::ceil(Real(gemm.n) / tile_n) * Real(gemm.batch);
  return std::log2(std::ceil(tiles / multiprocessors) * tile_m * tile_n);
}

/// How badly rows of `bytes` lie in memory: half an octave for each halving below the 128 bytes
/// that tiles are loaded by, and two more below the 16 bytes that a bulk copy takes at least, where
/// libraries fall back to kernels of another generation.
double Misalignment(double bytes) {
  double octaves = 0;
  for (double unit = 128; unit > 1 && std::fmod(bytes, unit) != 0; unit /= 2) {
    octaves += unit == 16 ? 2.5 : 0.5;
  }
  return octaves;
}

void DescribeGemm(const Gemm& gemm, const MachineRates& rates, FeatureWriter& out) {
  const double sms = rates.multiprocessors;
  out.Size(gemm.m);
  out.Size(gemm.n);
  out.Size(gemm.k);
  out.Coordinate(WaveOctaves(gemm, sms, 128, 128));
  out.Coordinate(WaveOctaves(gemm, sms, 256, 128));
  out.Coordinate(Misalignment(Real(gemm.n) * BytesPerElement(gemm.output_dtype).base()));
  out.Coordinate(Misalignment(Real(gemm.k) * BytesPerElement(gemm.dtype).base()));
  out.Coordinate(Misalignment(Real(gemm.m) * BytesPerElement(gemm.dtype).base()) / 2);
  // The waves say where a batch stands; how it splits them is a slope's matter.
  out.Term(std::log2(Real(std::max<int64_t>(gemm.batch, 1))));
  out.Term(WaveOctaves(gemm, sms, 64, 64));
  out.Term(WaveOctaves(gemm, sms, 64, 256));
  out.Term(std::log2(BytesOf(gemm).base()));
}

/// Each group's rows fill whole tiles: with few rows a group, time follows groups, not rows.
void DescribeGroupedGemm(const GroupedGemm& gemm, const MachineRates& rates, FeatureWriter& out) {
  const double rows = std::max(1.0, Real(gemm.m) / Real(gemm.groups));
  const double tiles =
      std::ceil(rows / 128) * std::ceil(Real(gemm.n) / 128) * Real(std::min(gemm.groups, gemm.m));
  out.Size(gemm.groups);
  out.Size(gemm.m);
  out.Size(gemm.n);
  out.Size(gemm.k);
  out.Coordinate(std::log2(std::ceil(tiles / rates.multiprocessors)));
  out.Term(std::log2(BytesOf(gemm).base()));
}

void DescribeAttention(const Attention& attention, const MachineRates& rates, FeatureWriter& out) {
  const double sms = rates.multiprocessors;
  const double window = attention.window > 0 ? Real(attention.window) : Real(attention.kv_len);
  const double seen = std::min(window, Real(attention.kv_len));
  const double values = Real(attention.v_head_dim > 0 ? attention.v_head_dim : attention.head_dim);
  out.Size(attention.batch);
  out.Size(attention.kv_len);
  out.Size(attention.heads);
  out.Size(attention.kv_heads);
  out.Size(attention.head_dim);
  if (attention.phase == AttentionPhase::kDecode) {
    out.Coordinate(std::log2(Real(attention.kv_len) / seen));
    out.Coordinate(std::log2(Real(attention.head_dim) / values));
    out.Coordinate(std::log2(Real(std::max<int64_t>(attention.q_len, 1))));
    // One block a sequence and key head unless the library splits the cache among several.
    const double blocks = Real(attention.batch) * Real(attention.kv_heads);
    out.Term(std::log2(std::ceil(blocks / sms)));
    out.Term(std::log2(BytesOf(attention).base()));
    return;
  }
  // Queries that are the last of a longer context run other kernels than a whole prompt does.
  constexpr double kApart = 2;
  out.Coordinate(std::log2(Real(attention.kv_len) / Real(std::max<int64_t>(attention.q_len, 1))) +
                 (attention.kv_len != attention.q_len ? kApart : 0) +
                 std::log2(Real(attention.head_dim) / values));
  out.Coordinate(std::log2(Real(attention.kv_len) / seen));
  const double blocks =
      Real(attention.batch) * Real(attention.heads) * std::ceil(Real(attention.q_len) / 128);
  const double waves = std::ceil(blocks / sms);
  out.Coordinate(std::log2(waves));
  out.Term(std::log2(waves * std::max(Real(attention.kv_len), 128.0)));
  out.Term(std::log2(BytesOf(attention).base()));
}

/// A block a row: with fewer rows than multiprocessors most of a GPU idles, and a long row takes
/// its time however few there are. Where the rows are not known, they are taken to be of 8,192
/// values of 16 bit, read and written. What is written counts apart: a cast up writes twice what it
/// reads.
void DescribeMemoryBound(const MemoryBound& work, const MachineRates& rates, FeatureWriter& out) {
  constexpr double kUsualRowBytes = 8192 * 2 * 2;
  const double bytes = std::max(1.0, BytesOf(work).base());
  const double rows = work.rows > 0 ? Real(work.rows) : std::max(1.0, bytes / kUsualRowBytes);
  out.Coordinate(std::log2(bytes));
  out.Coordinate(std::log2(rows));
  out.Coordinate(4 * work.written.base() / bytes);
  // Eight blocks of 256 threads fill a multiprocessor; a thread takes 16 bytes at a time.
  out.Term(std::log2(std::ceil(rows / (8 * rates.multiprocessors))));
  out.Term(std::log2(std::ceil(work.read.base() / rows / (256 * 16))));
}

/// Experts that at least one of `rows` rows reaches when rows choose evenly: what has to be read.
double ActiveExperts(double experts, double rows) {
  return experts <= 1 ? 1.0 : experts * (1 - std::pow(1 - 1 / experts, rows));
}

/// Gate and up (2 ffn x hidden), then down (hidden x ffn): 6 rows hidden ffn FLOPs.
void DescribeMixture(const MixtureLayer& layer, const MachineRates& rates, FeatureWriter& out) {
  const double experts = std::max(1.0, Real(layer.experts) / Real(layer.ep));
  const double rows = std::max(1.0, Real(layer.tokens) * Real(layer.top_k) / Real(layer.ep));
  const double active = ActiveExperts(experts, rows);
  const double weights = active * 3 * Real(layer.hidden) * Real(layer.ffn);
  const double activations = rows * (2 * Real(layer.hidden) + 3 * Real(layer.ffn));
  const double bytes = weights * BytesPerElement(layer.dtype).base() + activations * 2;
  out.Size(layer.tokens);
  out.Size(layer.hidden);
  out.Size(layer.ffn);
  out.Size(layer.top_k);
  out.Coordinate(std::log2(experts));
  out.Size(layer.ep);
  out.Coordinate(layer.skew);
  out.Term(std::log2(active));
  out.Term(std::log2(std::ceil(std::max(rows / active, 1.0) / 64) * active));
  out.Term(std::log2(bytes));
  const Flops flops = Flops::FromBase(6 * rows * Real(layer.hidden) * Real(layer.ffn));
  out.features.compute_seconds = rates.flops > 0 ? flops.base() / rates.flops : 0;
  out.features.memory_seconds = bytes / rates.bandwidth;
}

/// Bytes that each rank's links must carry, one way: nccl-tests' bus bandwidth.
double BusShare(const Collective& collective) {
  const double ranks = Real(collective.group.ranks);
  switch (collective.kind) {
    case CollectiveKind::kAllReduce:
      return 2 * (ranks - 1) / ranks;
    case CollectiveKind::kAllGather:
    case CollectiveKind::kReduceScatter:
    case CollectiveKind::kAllToAll:
      return (ranks - 1) / ranks;
    case CollectiveKind::kBroadcast:
    case CollectiveKind::kSend:
      return 1;
  }
  return 1;
}

void DescribeCollective(const Collective& collective, const MachineRates& rates,
                        FeatureWriter& out) {
  out.Coordinate(std::log2(std::max(1.0, collective.bytes.base())));
  out.Size(collective.group.ranks);
  out.Size((collective.group.ranks + collective.group.ranks_per_node - 1) /
           collective.group.ranks_per_node);
  out.features.memory_seconds =
      rates.bandwidth > 0 ? collective.bytes.base() * BusShare(collective) / rates.bandwidth : 0;
}

}  // namespace

size_t NumSizes(const TimedOperation& operation) {
  return std::visit(Overloaded{[](const Gemm&) { return size_t{4}; },
                               [](const GroupedGemm&) { return size_t{4}; },
                               [](const Attention&) { return size_t{8}; },
                               [](const MemoryBound&) { return size_t{3}; },
                               [](const MixtureLayer&) { return size_t{7}; },
                               [](const Collective&) { return size_t{3}; },
                               [](const OtherOperation&) { return size_t{0}; }},
                    operation);
}

Shape ShapeOf(const TimedOperation& operation) {
  return std::visit(
      Overloaded{[](const Gemm& op) { return Shape{{op.batch, op.m, op.n, op.k}}; },
                 [](const GroupedGemm& op) { return Shape{{op.groups, op.m, op.n, op.k}}; },
                 [](const Attention& op) {
                   return Shape{{op.batch, op.q_len, op.kv_len, op.heads, op.kv_heads, op.head_dim,
                                 op.v_head_dim, op.window}};
                 },
                 [](const MemoryBound& op) {
                   return Shape{{static_cast<int64_t>(op.read.base()),
                                 static_cast<int64_t>(op.written.base()), op.rows}};
                 },
                 [](const MixtureLayer& op) {
                   return Shape{{op.tokens, op.hidden, op.ffn, op.experts, op.top_k, op.ep,
                                 std::llround(op.skew * 100)}};
                 },
                 [](const Collective& op) {
                   return Shape{{static_cast<int64_t>(op.bytes.base()), op.group.ranks,
                                 op.group.ranks_per_node}};
                 },
                 [](const OtherOperation&) { return Shape{}; }},
      operation);
}

TimedOperation WithShape(const TimedOperation& pattern, const Shape& shape) {
  TimedOperation operation = pattern;
  const auto& sizes = shape.sizes;
  std::visit(Overloaded{[&](Gemm& op) {
                          op.batch = sizes[0];
                          op.m = sizes[1];
                          op.n = sizes[2];
                          op.k = sizes[3];
                        },
                        [&](GroupedGemm& op) {
                          op.groups = sizes[0];
                          op.m = sizes[1];
                          op.n = sizes[2];
                          op.k = sizes[3];
                        },
                        [&](Attention& op) {
                          op.batch = sizes[0];
                          op.q_len = sizes[1];
                          op.kv_len = sizes[2];
                          op.heads = sizes[3];
                          op.kv_heads = sizes[4];
                          op.head_dim = sizes[5];
                          op.v_head_dim = sizes[6];
                          op.window = sizes[7];
                        },
                        [&](MemoryBound& op) {
                          op.read = Bytes::FromBase(Real(sizes[0]));
                          op.written = Bytes::FromBase(Real(sizes[1]));
                          op.flops = {};
                          op.rows = sizes[2];
                        },
                        [&](MixtureLayer& op) {
                          op.tokens = sizes[0];
                          op.hidden = sizes[1];
                          op.ffn = sizes[2];
                          op.experts = sizes[3];
                          op.top_k = sizes[4];
                          op.ep = sizes[5];
                          op.skew = Real(sizes[6]) / 100;
                        },
                        [&](Collective& op) {
                          op.bytes = Bytes::FromBase(Real(sizes[0]));
                          op.group = {.ranks = sizes[1], .ranks_per_node = sizes[2]};
                        },
                        [](OtherOperation&) {}},
             operation);
  return operation;
}

TimedOperation PatternOf(const TimedOperation& operation) {
  Shape ones;
  ones.sizes.fill(1);
  // 0 is the absence of these, and 1 would be a value.
  if (std::holds_alternative<Attention>(operation)) {
    ones.sizes[6] = ones.sizes[7] = 0;
  } else if (std::holds_alternative<MixtureLayer>(operation)) {
    ones.sizes[6] = 0;
  } else if (std::holds_alternative<MemoryBound>(operation)) {
    ones.sizes[2] = 0;
  }
  return WithShape(operation, ones);
}

MachineRates RatesOf(const hardware::Gpu& gpu, const TimedOperation& pattern) {
  MachineRates rates{.bandwidth = gpu.memory.bandwidth.base(),
                     .multiprocessors = std::max(1, gpu.streaming_multiprocessors) * 1.0};
  DType dtype = DType::kFp32;  // element-wise work
  if (std::holds_alternative<Collective>(pattern)) {
    rates.bandwidth = gpu.nvlink.bandwidth.base();
    return rates;
  }
  std::visit(
      [&dtype](const auto& op) {
        using Op = std::decay_t<decltype(op)>;
        if constexpr (std::is_same_v<Op, Gemm> || std::is_same_v<Op, GroupedGemm> ||
                      std::is_same_v<Op, Attention> || std::is_same_v<Op, MixtureLayer>) {
          dtype = op.dtype;
        }
      },
      pattern);
  // A cache in a type that the GPU cannot compute in (FP8 on Ampere) is computed in 16 bit.
  const auto peak = PeakOf(gpu, dtype);
  rates.flops = peak ? peak->base() : PeakOf(gpu, DType::kBf16).value_or(FlopsPerSecond()).base();
  return rates;
}

Features FeaturesOf(const TimedOperation& operation, const MachineRates& rates) {
  FeatureWriter out;
  std::visit(
      [&](const auto& op) {
        using Op = std::decay_t<decltype(op)>;
        if constexpr (std::is_same_v<Op, Gemm>) {
          DescribeGemm(op, rates, out);
        } else if constexpr (std::is_same_v<Op, GroupedGemm>) {
          DescribeGroupedGemm(op, rates, out);
        } else if constexpr (std::is_same_v<Op, Attention>) {
          DescribeAttention(op, rates, out);
        } else if constexpr (std::is_same_v<Op, MemoryBound>) {
          DescribeMemoryBound(op, rates, out);
        } else if constexpr (std::is_same_v<Op, MixtureLayer>) {
          DescribeMixture(op, rates, out);
        } else if constexpr (std::is_same_v<Op, Collective>) {
          DescribeCollective(op, rates, out);
        }
        if constexpr (std::is_constructible_v<Operation, Op>) {
          const double flops = FlopsOf(op).base();
          out.features.compute_seconds = rates.flops > 0 ? flops / rates.flops : 0;
          out.features.memory_seconds = BytesOf(op).base() / rates.bandwidth;
        }
      },
      operation);
  return out.features;
}

}  // namespace ridgeline::calibration

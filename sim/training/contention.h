/// A GPU's compute stream beside its own collectives: both take longer while they run together, for
/// a collective's kernels hold multiprocessors and share the memory.
///
/// How much, of two H200 in one node (configs/calibration/README.md, "Interference", medians where
/// the neighbour was there for 90 % of the time, collectives of 16 MiB and more): a GEMM takes 1.15
/// times as long, RMSNorm 1.16, SwiGLU 1.17; the collective beside a GEMM 1.83 times. A second of
/// collective thus costs 1.83 · (1 - 1/1.15) = 0.24 s of computation. Collectives across nodes were
/// not measured and are left as they are.
#pragma once

#include <array>
#include <vector>

#include "sim/compute/duration.h"

namespace ridgeline::training {

inline constexpr double kComputeBesideCollective = 1.15;
inline constexpr double kCollectiveBesideCompute = 1.83;

/// Walks a pass in order, with collectives one after the other on their stream. Only what is given
/// out here overlaps: waits of either side are not looked at, so that every executor sees the same
/// durations.
class BesideCollectives {
 public:
  /// A collective that begins behind those before; lengthened in place as computation follows. It
  /// must not move before the walk ends. O(1).
  void Begin(compute::Duration& collective);
  /// What computation that takes `alone` takes more beside the collectives under way. O(collectives
  /// that end in it).
  compute::Duration Compute(const compute::Duration& alone);

 private:
  struct UnderWay {
    compute::Duration* collective = nullptr;
    std::array<double, 3> left = {};  // picoseconds of it alone, by bound
  };
  std::vector<UnderWay> begun_;
  std::array<size_t, 3> next_ = {};  // the first that is not over, by bound
};

}  // namespace ridgeline::training

/// A GPU's compute stream beside its own collectives: both take longer while they run together, for
/// a collective's kernels hold multiprocessors and share the memory.
///
///     computation   1 + arithmetic (1/(1 - 0.55 h) - 1) + memory (1/(1 - 0.85 u) - 1)
///     collective    max(1, pace (1.15 + 0.4 m)), and first a wait of 0.55 of a kernel's length
///     where
///                   it begins while computation holds the multiprocessors
///
/// h: the share of the multiprocessors that the collective's channels would fill, one each; u: the
/// share of the memory's rate that it moves; pace: its rate over what such kernels move inside a
/// node, so that one bound by the network has slack; arithmetic and memory: shares of the
/// computation's time bound by either, m = memory / both.
///
/// The five coefficients are fitted to points of two H200 in one node (configs/calibration/points,
/// beside_collectives and its rested repeats; by tests/validation/measure/fit_contention.py, which
/// prints residuals): collectives of 64 MiB and more with a neighbour for at least 90 % of the
/// time. Computation within 8 % at the median of 72 points; far off is a product of a single wave
/// of tiles (512 rows: 1.6 to 1.8 measured, 1.15 here). Collectives within 11 % at the median of 53
/// points. Elsewhere (more ranks, over nodes, other GPUs) it is an extrapolation by these shares.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/operation.h"
#include "hardware/gpu.h"
#include "sim/compute/duration.h"
#include "sim/compute/operation_time.h"

namespace ridgeline::training {

/// What a collective takes of the GPU that it runs on.
struct CollectiveLoad {
  double multiprocessors = 0;  // share of all, a channel on each
  double memory = 0;           // share of the sustained memory bandwidth
  double pace = 1;             // of the rate of such kernels inside a node; at most 1
};
/// `multiprocessors`: that it holds, where that is known; 0 for copies by engines. Throws
/// InternalError as network::PlanOf does.
CollectiveLoad LoadOf(const Collective& collective, const compute::Duration& duration,
                      std::optional<int64_t> multiprocessors, const compute::OperationTime& time);

/// What bounds a stretch of computation.
struct ComputeLoad {
  double arithmetic = 0;  // share of its time; what is missing to 1 waits
  double memory = 0;
  double kernel = 0;  // picoseconds of the kernel that a random moment meets

  /// Joins another stretch; both durations in picoseconds.
  void Join(double own, const ComputeLoad& other, double others);
};
/// An operation that moves `bytes` through memory.
ComputeLoad LoadOf(Bytes bytes, const compute::Duration& duration, const hardware::Gpu& gpu);

/// How much longer both take while they run together.
struct TogetherFactors {
  double computation = 1;
  double collective = 1;
};
TogetherFactors FactorsOf(const ComputeLoad& computation, const CollectiveLoad& collective);

/// An operation and a collective that begin together, at each bound: both lengthened for as long as
/// the other runs.
void RunTogether(const ComputeLoad& load, compute::Duration& computation,
                 const CollectiveLoad& collective_load, compute::Duration& collective);

/// Walks a pass in order, with collectives one after the other on their stream. Only what is given
/// out here overlaps: waits of either side are not looked at, so that every executor sees the same
/// durations.
class BesideCollectives {
 public:
  /// A collective that begins behind those before; lengthened in place as computation follows. It
  /// must not move before the walk ends. O(1).
  void Begin(compute::Duration& collective, const CollectiveLoad& load);
  /// What computation that takes `alone` takes more beside the collectives under way. O(collectives
  /// that end in it).
  compute::Duration Compute(const compute::Duration& alone, const ComputeLoad& load);

 private:
  struct UnderWay {
    compute::Duration* collective = nullptr;
    CollectiveLoad load;
    std::array<double, 3> left = {};   // picoseconds of it alone, by bound
    std::array<double, 3> waits = {};  // for multiprocessors, before it begins; below 0: not known
  };
  std::vector<UnderWay> begun_;
  std::array<size_t, 3> next_ = {};  // the first that is not over, by bound
};

}  // namespace ridgeline::training

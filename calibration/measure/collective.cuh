/// What several ranks measure together, one process a GPU, over NCCL: collectives in nccl-tests'
/// conventions, and kernels beside them. Built without NCCL, it says so for every such point.
///
/// Ranks meet through a file that rank 0 writes (the unique id) and all of them see.
#pragma once

#include <memory>
#include <string>

#include "calibration/measure/families.cuh"
#include "calibration/measure/options.h"

namespace ridgeline::measure {

class Ensemble {
 public:
  Ensemble();
  Ensemble(const Ensemble&) = delete;
  Ensemble& operator=(const Ensemble&) = delete;
  ~Ensemble();

  /// Whether this operation is the ensemble's: a collective, or "beside" (interference).
  static bool Knows(const Point& point);

  /// Waits for all ranks.
  Status Join(const Options& options, Arena* arena, cudaStream_t stream);
  /// What rank 0 says, on every rank; the argument where there is one rank only.
  Result<int> FromFirst(int value);
  /// On every rank at once. The time is the mean over ranks, as nccl-tests reports it.
  Result<Outcome> Measure(const Point& point, const MakerContext& context,
                          const GpuMonitor& monitor);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ridgeline::measure

/// What several ranks measure together, one process a GPU, over NCCL: collectives in nccl-tests'
/// conventions. Built without NCCL, there is one rank and every collective is skipped.
///
/// Ranks meet through a file that rank 0 writes (NCCL's unique id) and all of them see. All ranks
/// walk through the same points in the same order and decide alike, on figures that they share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "calibration/measure/families.cuh"
#include "calibration/measure/options.h"

namespace ridgeline::measure {

class Ensemble {
 public:
  Ensemble();
  Ensemble(const Ensemble&) = delete;
  Ensemble& operator=(const Ensemble&) = delete;
  ~Ensemble();

  /// Whether this operation is a collective.
  static bool Knows(const std::string& op);

  /// Waits for all ranks.
  Status Join(const Options& options, Arena* arena, cudaStream_t stream);
  int ranks() const;
  /// What rank 0 says, on every rank.
  Result<int> FromFirst(int value);
  /// The largest that any rank says, on every rank.
  Result<double> Largest(double value);
  /// The means over the first `ranks` ranks, on every rank; also a barrier.
  Status Average(std::vector<double>& values, int ranks);
  /// Fails on every rank where it failed on any.
  Status Agree(const Status& here);

  Result<Workload> MakeCollective(const Fields& op, const std::string& with,
                                  const MakerContext& context);
  /// On every rank at once. The time is the mean over ranks, as nccl-tests reports it.
  Result<Outcome> Measure(const Point& point, const MakerContext& context,
                          const GpuMonitor& monitor, bool checks);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ridgeline::measure

/// The costs of every point of a training space, each part computed once: layers depend on tp, ep,
/// micro-batch and recomputation, the placement on pp x vpp, the step's end on all but micro-batch
/// and recomputation. Read by many threads once made.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "planner/training_legality.h"
#include "sim/compute/operation_time.h"
#include "sim/training/stage_costs.h"
#include "sim/training/step_program.h"

namespace ridgeline::planner {

/// What one point is made of; the parts belong to TrainingCosts.
struct PointCosts {
  const training::LayerCosts* layers = nullptr;  // without the steps inside a pass
  const std::vector<training::ChunkCosts>* chunks = nullptr;
  const training::EpilogueCosts* epilogue = nullptr;
  Flops model_flops;      // of all ranks of a pipeline together, per micro-batch
  Flops recompute_flops;  // likewise
};

class TrainingCosts {
 public:
  /// Costs every part of `points` on `jobs` threads. Errors: those of training::CostStages, which
  /// hold for the whole space; kCancelled and kDeadlineExceeded from `stop`.
  static Result<TrainingCosts> Of(const TrainingSpace& space,
                                  const std::vector<TrainingPoint>& points, int jobs,
                                  const Stop& stop);

  PointCosts At(size_t point) const;
  const compute::OperationTime& time() const { return time_; }

 private:
  struct Layers {
    training::LayerCosts costs;
    Flops model_flops;
    Flops recompute_flops;
  };
  struct PartIndices {
    uint32_t layers = 0;
    uint32_t chunks = 0;
    uint32_t epilogue = 0;
  };

  explicit TrainingCosts(compute::OperationTime time) : time_(std::move(time)) {}

  compute::OperationTime time_;
  bool has_variants_ = false;  // layers of a kind are not all recomputed alike
  std::vector<Layers> layers_;
  std::vector<std::vector<training::ChunkCosts>> chunks_;
  std::vector<training::EpilogueCosts> epilogues_;
  std::vector<PartIndices> parts_;  // by point
};

}  // namespace ridgeline::planner

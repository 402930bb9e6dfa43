/// One training configuration to a number: first what costs next to nothing (memory, a lower bound
/// of the step), then the step itself, equal to the makespan that `simulate` finds.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "planner/objective.h"
#include "planner/training_costs.h"
#include "sim/training/step_sweep.h"

namespace ridgeline::planner {

/// What is known of a point before its step is swept.
struct Screening {
  bool fits_clock = false;  // else the step is longer than can be simulated; the rest is not set
  bool fits_memory = false;
  StepFacts facts;  // with a lower bound for the makespan, which only the fitting have
};

/// One thread's: keeps a scenario and buffers between points.
class TrainingEvaluator {
 public:
  TrainingEvaluator(const TrainingSpace& space, const std::vector<TrainingPoint>& points,
                    const TrainingCosts& costs);

  /// Errors: those of training::CountMemory and of what prices sends.
  Result<Screening> Screen(size_t point);
  /// Of a point that fits the clock. Errors: kCancelled and kDeadlineExceeded from `stop`.
  Result<engine::Picoseconds> StepTime(size_t point, const Stop& stop);

 private:
  /// Makes `scenario_` and the sends those of the point.
  Result<training::StageView> Take(size_t point, const PointCosts& costs);

  const TrainingSpace* space_;
  const std::vector<TrainingPoint>* points_;
  const TrainingCosts* costs_;
  sim::TrainingScenario scenario_;
  std::vector<training::Duration> sends_;
  training::StepSweep sweep_;
};

}  // namespace ridgeline::planner

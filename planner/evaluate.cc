#include "planner/evaluate.h"

#include <algorithm>

#include "sim/training/training_memory.h"

namespace ridgeline::planner {

TrainingEvaluator::TrainingEvaluator(const TrainingSpace& space,
                                     const std::vector<TrainingPoint>& points,
                                     const TrainingCosts& costs)
    : space_(&space), points_(&points), costs_(&costs), scenario_(space.training()) {}

Result<training::StageView> TrainingEvaluator::Take(size_t point, const PointCosts& costs) {
  ApplyPoint(*space_, (*points_)[point], scenario_);
  ASSIGN_OR_RETURN(sends_, training::CostBoundarySends(scenario_, costs_->time()));
  return training::StageView{costs.layers->layers, *costs.chunks, sends_};
}

Result<Screening> TrainingEvaluator::Screen(size_t point) {
  const PointCosts costs = costs_->At(point);
  ASSIGN_OR_RETURN(const training::StageView stages, Take(point, costs));
  Screening screening;
  screening.fits_clock = training::FitsClock(scenario_, stages, *costs.epilogue).has_value();
  if (!screening.fits_clock) {
    return screening;
  }
  ASSIGN_OR_RETURN(const std::vector<training::MemoryUse> memory,
                   training::CountMemory(scenario_, stages));
  for (const training::MemoryUse& use : memory) {
    screening.facts.allocated = std::max(screening.facts.allocated, use.allocated());
  }
  screening.facts.peak = training::PeakOf(screening.facts.allocated, scenario_);
  screening.fits_memory =
      screening.facts.peak.base() <= space_->scenario.cluster.gpu.memory.capacity.base();
  screening.facts.model_flops = costs.model_flops;
  screening.facts.recompute_flops = costs.recompute_flops;
  screening.facts.micro_batches = static_cast<double>(scenario_.micro_batches);
  screening.facts.pp = static_cast<double>(scenario_.layout.pp);
  screening.facts.gpus = static_cast<double>(scenario_.layout.gpus());
  if (screening.fits_memory) {
    sweep_.Load(scenario_, stages, *costs.epilogue);
    screening.facts.makespan = sweep_.LowerBound();
  }
  return screening;
}

Result<engine::Picoseconds> TrainingEvaluator::StepTime(size_t point, const Stop& stop) {
  const PointCosts costs = costs_->At(point);
  ASSIGN_OR_RETURN(const training::StageView stages, Take(point, costs));
  sweep_.Load(scenario_, stages, *costs.epilogue);
  return sweep_.Makespan(stop);
}

}  // namespace ridgeline::planner

/// A job with every rank simulated for itself, over as many steps as asked: how long steps take,
/// what ranks that differ cost, and which rank is the slowest.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "sim/report.h"
#include "sim/scenario.h"
#include "sim/training/stage_costs.h"
#include "sim/training/step_program.h"
#include "sim/training/training_report.h"

namespace ridgeline::training {

struct RankStudy {
  /// At each bound: the mean over steps, of the makespan and of each rank's causes, rounded down;
  /// what rounding leaves of a rank's causes is booked as bubble.
  StepResults results;
  std::vector<engine::Picoseconds> steps;  // each one's makespan, at the mean
  engine::Picoseconds healthy = 0;         // of a step of ranks that are all alike, at the mean
  int64_t tasks = 0;                       // of one step
  int64_t slowest = 0;        // the rank that computes longest, beside its stage's mean
  double slowest_factor = 1;  // how much longer
};

/// Runs the steps, draws from the scenario's seed: the same bytes every time. Where nothing is
/// drawn anew, all steps are the same and one is run. `symmetric`: the same step with
/// replicas as one rank. Errors: UNIMPLEMENTED for what full-rank mode does not know
/// (SupportsFullRank), also when one replica alone would not take as long.
Result<RankStudy> StudyRanks(const sim::Scenario& scenario, const StageCosts& stages,
                             const EpilogueCosts& epilogue, const StepResults& symmetric,
                             const Stop& stop);

/// Tasks, ranks, the slowest, the distribution of step times, and of each cause the worst rank's.
void AddRanks(sim::Report& report, const sim::TrainingScenario& training, const RankStudy& study);

}  // namespace ridgeline::training

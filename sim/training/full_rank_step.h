/// One training step with every rank simulated for itself: the tasks of step_program.h at its
/// finest detail, one an operation and rank, without a program being stored.
///
/// All replicas of a stage run the same slots in the same order, so slots are taken in one
/// topological order and each is run for all replicas at once, operation by operation. Inside a
/// stage a collective begins when the last of its group has come; stages meet through sends between
/// ranks of the same place, the shared word table, the gradient norm. Time O(tasks); memory
/// O(ranks · (micro-batches in flight + gradient buckets)).
///
/// A rank's factor lengthens whatever is on its compute stream. Collectives and sends take as long
/// as ever once they begin, and the host issues at its own pace.
///
/// One slow rank, factor f, of a healthy job: its tensor-parallel group computes at its pace, so
/// each of its stage's slots takes (f - 1)·(compute of the slot) longer on that replica. With m
/// micro-batches, v chunks and a stage that is never starved its pipeline is later by
/// m·v·(f - 1)·(F + B) of compute, F and B per chunk; all others wait for it where gradients are
/// reduced, and then for its norm and update, (f - 1)·(norm + update). That is exact where the
/// slow stage already was the busiest (one stage; the last of 1F1B); elsewhere it is more than the
/// step loses, by what the stage had waited before.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "sim/scenario.h"
#include "sim/training/full_rank_groups.h"
#include "sim/training/full_rank_variation.h"
#include "sim/training/stage_costs.h"
#include "sim/training/step_program.h"

namespace ridgeline::training {

struct FullRankResult {
  engine::Picoseconds makespan = 0;
  std::vector<CauseTimes> by_rank;  // in the order of the job's ranks
  int64_t tasks = 0;
};

/// What of a job full-rank mode cannot run: UNIMPLEMENTED, naming it.
Status SupportsFullRank(const EpilogueCosts& epilogue);

/// Runs one step with durations at `bound`, of costs that fit the clock. `ranks` and `factors` are
/// of the same job. Errors: those of SupportsFullRank and workloads::OrderOf; kCancelled and
/// kDeadlineExceeded from `stop`.
Result<FullRankResult> RunFullRankStep(const sim::TrainingScenario& training,
                                       const StageCosts& stages, const EpilogueCosts& epilogue,
                                       StageRanks& ranks, const RankFactors& factors, uint64_t step,
                                       Bound bound, const Stop& stop);

}  // namespace ridgeline::training

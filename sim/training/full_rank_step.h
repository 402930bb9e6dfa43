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
/// One slow rank, factor f, of a healthy job: its tensor-parallel group computes at its pace, its
/// pipeline waits for that stage, and all others for the pipeline where gradients are reduced. So
/// the step is, to the picosecond, that of one pipeline in which every operation of the stage takes
/// f times as long; tests hold it. By how much that is longer depends on what the stage waited
/// before: by all its extra compute, m·v·(f - 1)·(F + B) of m micro-batches and v chunks, only
/// where it never waited (one stage, the last of 1F1B), by less elsewhere.
///
/// 1F1B of p stages that all take F and B, stage s (from 0) slow, sends that take no time. The step
/// is the longest chain through stage s: s forwards below it; its first forward; then what is
/// longer, the way up and down or the stage's own p - 1 - s forwards of warm-up; a backward and a
/// forward by turns, m - (p - s) of each; the way up and down again, or its own last backwards; its
/// last backward; s backwards below it. With r = p - 1 - s,
///
///   step = s·(F + B) + (m - r)·f·(F + B) + max(r·(F + B), r·f·F) + max(r·(F + B), r·f·B),
///
/// (m + p - 1)·(F + B) at f = 1, and (m - r)·(f - 1)·(F + B) more as long as f·F and f·B are at
/// most F + B: the r micro-batches' time that the stage had waited hide what it loses.
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
                                       StageRanks& ranks, StepFactors& factors, Bound bound,
                                       const Stop& stop);

}  // namespace ridgeline::training

/// The whole run behind a simulated step, as metrics `run.*`: time and GPU-hours with failures and
/// checkpoints, what they cost, what they draw.
///
/// A checkpoint is weights and optimizer states, once over all replicas, of what trains. Each GPU
/// writes a share of its own where replicas share out states, and one replica writes all otherwise.
/// Asynchronous: the job stops while a GPU copies its share to the host over its link, and files
/// are written behind the next steps. Synchronous: it stops for both. Read back once after a
/// failure.
#pragma once

#include "base/result.h"
#include "sim/report.h"
#include "sim/scenario.h"
#include "sim/training/checkpoint_interval.h"
#include "sim/training/training_report.h"

namespace ridgeline::training {

/// From a failure to the first step where the scenario does not say: to notice and to diagnose it
/// takes less than 10 minutes on average (MegaScale, arXiv:2402.15627, section 6).
inline constexpr Seconds kRestart = Seconds::FromBase(600);

struct CheckpointCost {
  Bytes size;          // of all files
  Seconds copy;        // of a GPU's share to the host
  Seconds write;       // of the files
  Seconds read;        // of the files
  double writers = 0;  // GPUs that write
};

/// Errors: kInvalidArgument when nodes have no shared storage and the scenario names no bandwidth.
Result<CheckpointCost> CostCheckpoint(const sim::Scenario& scenario, const StageCosts& stages);

/// Adds to the report of a training scenario with a `run:`; nothing without.
Status AddRun(sim::Report& report, const sim::Scenario& scenario, const StageCosts& stages,
              const StepResults& step);

}  // namespace ridgeline::training

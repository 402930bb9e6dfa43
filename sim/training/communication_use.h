/// Communication by the group of ranks that makes it: how long its collectives keep their stream
/// busy, and how much of that computation waits for.
#pragma once

#include "sim/report.h"
#include "sim/scenario.h"
#include "sim/training/step_program.h"
#include "sim/training/training_report.h"

namespace ridgeline::training {

/// Rows "tensor", "context", "expert", "pipeline" and "data" for the groups of more than one rank
/// (Report::communication), and their metrics communication.ROW.busy, .exposed and .bytes; means
/// over pipeline ranks. Busy time is that of the collectives as they run, slowed by computation
/// beside them; exposed is time.ROW_parallel. O(layers · steps + reductions).
void AddCommunication(sim::Report& report, const sim::TrainingScenario& training,
                      const StageCosts& stages, const EpilogueCosts& epilogue,
                      const StepResults& step);

}  // namespace ridgeline::training

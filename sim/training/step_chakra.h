/// A simulated step as Chakra execution traces, one a pipeline rank: what ASTRA-sim replays.
///
/// A task is a node: compute (with num_ops and tensor_size where it is an operation), collective
/// (comm_type, comm_size in bytes a rank, pg_name: the axis) or send. Tasks of one stream follow
/// each other by control dependencies. What waits for a task of another rank waits for a receive
/// node, whose send, with the same comm_tag, is that task if it is a transfer and an empty message
/// behind it otherwise. Besides whole microseconds a node has `duration_ps` and `stream`, so that a
/// replay gives the step back to the picosecond. Data-parallel traffic carries its time and no
/// size.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "sim/engine/program.h"
#include "sim/trace/chakra_format.h"
#include "sim/training/stage_costs.h"
#include "sim/training/step_program.h"

namespace ridgeline::training {

/// By pipeline rank; nodes of a rank in an order in which each comes after what it depends on.
std::vector<std::vector<trace::ChakraNode>> ChakraNodesOf(const StepProgram& step,
                                                          const engine::Timeline& timeline,
                                                          const StageCosts& stages);

/// A file's bytes by rank, in the detail of a Chrome trace (step_trace.h).
Result<std::vector<std::string>> WriteStepChakra(const sim::TrainingScenario& training,
                                                 const StageCosts& stages,
                                                 const EpilogueCosts& epilogue, const Stop& stop);

}  // namespace ridgeline::training

/// The order in which a pipeline rank of a job runs its slots: the schedule's, and where the
/// experts' exchanges run behind another micro-batch's computation
/// (framework.overlap.expert_parallel) each backward together with the forward after it.
///
/// So 1F1B and interleaved 1F1B hold one micro-batch (of one chunk) more in flight, as Megatron-LM
/// does (megatron/core/pipeline_parallel/schedules.py, combined_1f1b.py: one more warm-up forward,
/// then forward and backward as one). Whatever precedes or follows a pair on other ranks waits for
/// all of it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "sim/scenario.h"
#include "workloads/pipeline_schedule.h"

namespace ridgeline::training {

/// Whether forwards of a job run together with backwards of other micro-batches, each as one slot.
bool PairsSlots(const sim::TrainingScenario& training);

/// Of so many micro-batches, the job's or fewer. Errors: those of workloads::OrderOf. O(slots).
Result<std::vector<workloads::Slot>> SlotOrderOf(const sim::TrainingScenario& training,
                                                 int64_t rank, int64_t micro_batches);

}  // namespace ridgeline::training

/// A pipeline of equal stages whose sends take no time: what the formulas of textbooks assume. The
/// schedule's own order, executed by the static sweep.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "workloads/pipeline_schedule.h"

namespace ridgeline::validation {

/// Share of the step that a rank idles: 1 - busy / makespan; the backward takes twice the forward.
/// (p - 1) / (m + p - 1) for GPipe and 1F1B, (p - 1) / (v m + p - 1) when interleaved
/// (arXiv:2104.04473, section 2.2); input and weight gradients a forward's time each. Errors: those
/// of workloads::OrderOf. O(stages x virtual stages x micro-batches).
Result<double> IdealBubbleFraction(workloads::ScheduleKind schedule, int64_t stages,
                                   int64_t virtual_stages, int64_t micro_batches);

}  // namespace ridgeline::validation

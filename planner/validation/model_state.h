/// Bytes of model state (weights, gradients, optimizer) that a data-parallel rank holds for each
/// parameter, by what is shared out (Rajbhandari et al., arXiv:1910.02054, section 3): ZeRO-1
/// divides the optimizer's part by the replicas, ZeRO-2 the gradients too, ZeRO-3 and FSDP
/// everything.
///
/// The simulator counts the same bytes layer by layer where it can run them (none, ddp, zero-1; a
/// test holds the two equal); this closed form also answers for ZeRO-2 and ZeRO-3, which it cannot
/// run yet.
#pragma once

#include <cstdint>

#include "base/units.h"
#include "workloads/framework.h"
#include "workloads/training_job.h"

namespace ridgeline::validation {

Bytes ModelStateBytesPerParameter(const workloads::TrainingDtypes& dtypes,
                                  workloads::Sharding sharding, int64_t replicas);

}  // namespace ridgeline::validation

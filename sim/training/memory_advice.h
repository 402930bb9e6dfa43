/// What to tell whoever's job does not fit: by how much, of what, and the single change of a
/// setting that fits at the least step time. Found by trying: each change is costed and its memory
/// counted as the job's own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/stop.h"
#include "sim/compute/operation_time.h"
#include "sim/report.h"
#include "sim/scenario.h"
#include "sim/training/training_memory.h"

namespace ridgeline::training {

/// One setting changed, and what comes of it.
struct MemoryChangeTried {
  std::string setting;  // "training.recompute=full"
  Bytes peak;           // of the fullest rank
  Seconds step;         // unset (0) where it does not fit
  bool fits = false;
};

/// Every single change that is legal: recomputation (selective, full), half the micro-batch, the
/// next sharding (zero-1 to zero-3), twice tp, pp or cp. In that order. Costs of the same cluster
/// (`time`). O(changes x the cost of one simulation).
std::vector<MemoryChangeTried> TryMemoryChanges(const sim::Scenario& scenario,
                                                const compute::OperationTime& time,
                                                const Stop& stop);

/// Adds the warning when the job does not fit, or may not at the high end of what the allocator
/// reserves; nothing else.
void AddMemoryAdvice(sim::Report& report, const sim::Scenario& scenario,
                     const compute::OperationTime& time, const Stop& stop);

}  // namespace ridgeline::training

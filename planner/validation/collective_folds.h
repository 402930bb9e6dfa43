/// Does the closed form tell what it was not fitted to? Factors (sim/network/fit_collectives.h) are
/// fitted anew without what a fold holds out, and judged on that:
///
/// | fold | fitted on | held out |
/// | 4 GPUs | groups of 2 and 8 on all GPUs | groups of 4 |
/// | A100, H100, H200 | the two other GPUs | this one, of which only link constants are known |
/// | nodes | published rows over nodes with an even digest | those with an odd one |
/// | engines 4 GPUs | engines' all-reduces of 2 and 8 | of 4 |
/// | launch | published rows of one node with an even digest: one constant | with an odd one |
///
/// Ranges: nine in ten of the ratios measured over predicted, by size, of points held out of other
/// folds (over nodes: of the even rows, a quarter at a time), so that no point earns its own range.
/// `shipped` fits everything on one node and the even rows over nodes: what configs/collectives
/// holds.
#pragma once

#include "base/result.h"
#include "hardware/catalog.h"
#include "hardware/time_correction.h"
#include "planner/validation/collective_measurements.h"
#include "planner/validation/validation_report.h"

namespace ridgeline::validation {

struct CollectiveFolds {
  SuiteOutcome suite;
  hardware::CollectiveCorrections shipped;
};

/// Errors are those of bus bandwidth. Points whose cluster nobody described, or that name no size,
/// are listed with the reason. Deterministic; some seconds.
Result<CollectiveFolds> EvaluateCollectives(const MeasuredCollectives& suite,
                                            const hardware::Catalog& catalog);

}  // namespace ridgeline::validation

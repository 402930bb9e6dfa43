/// Fits one table. Every choice is made by error over the table's own rows: physics by mean
/// absolute log error; the scale of each coordinate and the number of neighbours, whether trees,
/// neighbours or both answer, and whether to start from a kin's residual by median plus a quarter
/// of the 90th percentile of rows left out, so that neither the usual shape nor the awkward one is
/// bought with the other.
#pragma once

#include <memory>
#include <vector>

#include "calibration/cost_table.h"

namespace ridgeline::calibration {

struct TableRows {
  std::vector<Shape> shapes;  // sorted, no duplicates
  std::vector<float> log_times;
};

/// All but condition, source and library is filled in. At least kFewestRows rows (fit.h).
/// Deterministic. About 60 searches over the rows.
/// `prior`: a table that this one may start from; null: none.
FittedTable FitTable(const TimedOperation& pattern, TableRows rows, const MachineRates& rates,
                     std::shared_ptr<const Prior> prior = nullptr);

}  // namespace ridgeline::calibration

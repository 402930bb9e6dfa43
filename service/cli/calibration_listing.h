/// Profiles of measured costs as tables: what `list calibrations` and `describe calibration` print.
#pragma once

#include <string>

#include "base/result.h"
#include "hardware/catalog.h"
#include "service/report/table.h"

namespace ridgeline::cli {

/// One row a profile. Errors: a profile that does not read.
Result<report::Table> CalibrationsTable(const hardware::Catalog& catalog);
/// One row a table of a profile, by name or path: condition, shapes, errors of unseen shapes, source.
Result<report::Table> CalibrationTable(const hardware::Catalog& catalog, const std::string& name);

}  // namespace ridgeline::cli

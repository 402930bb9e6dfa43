/// Profiles of measured costs: what `list calibrations` and `describe calibration` print.
#pragma once

#include <string>

#include "base/result.h"
#include "hardware/catalog.h"
#include "service/report/table.h"

namespace ridgeline::cli {

/// One row a profile. Errors: a profile that does not read.
Result<report::Table> CalibrationsTable(const hardware::Catalog& catalog);

/// A profile, by name or path: its GPU, device, SHA-256 and the law of sustained clocks, then one
/// row a table: condition, shapes, errors of unseen shapes, source, library, variant. People read
/// percents; json (one object, the tables in `tables`), jsonl and csv (the tables alone) have
/// shares as numbers.
Result<std::string> CalibrationText(const hardware::Catalog& catalog, const std::string& name,
                                    report::OutputFormat format);

}  // namespace ridgeline::cli

/// What a reader of measured points hands back, whatever the form of the file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calibration/measurement.h"

namespace ridgeline::calibration {

/// Why some rows are no point, how many, and what would make points of them.
struct LeftOut {
  std::string reason;
  std::string hint = {};  // may be empty
  int64_t count = 0;
};

struct ImportedPoints {
  std::vector<Measurement> points;
  int64_t rows = 0;                   // of the source
  int64_t left_out = 0;               // rows that are no point
  std::vector<LeftOut> reasons = {};  // of them, where the reader tells them apart

  /// Counts one row, under `reason` when it is not empty.
  void LeaveOut(const std::string& reason, const std::string& hint = {});
};

}  // namespace ridgeline::calibration

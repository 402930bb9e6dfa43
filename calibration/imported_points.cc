#include "calibration/imported_points.h"

#include <algorithm>

namespace ridgeline::calibration {

void ImportedPoints::LeaveOut(const std::string& reason, const std::string& hint) {
  ++left_out;
  if (reason.empty()) {
    return;
  }
  auto found = std::find_if(reasons.begin(), reasons.end(),
                            [&](const LeftOut& known) { return known.reason == reason; });
  if (found == reasons.end()) {
    found = reasons.insert(reasons.end(), {.reason = reason, .hint = hint});
  }
  ++found->count;
}

}  // namespace ridgeline::calibration

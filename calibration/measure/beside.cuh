/// Interference: {"op":"beside","of":{...},"beside":{...}} times `of` on one stream while `beside`
/// runs over and over on another, and alone. time_s is that of `of` in company; `alone_s`, their
/// ratio, and whether the company lasted to the end (`covered`) stand beside it.
#pragma once

#include "calibration/measure/collective.cuh"

namespace ridgeline::measure {

Result<Outcome> MeasureBeside(const Point& point, const MakerContext& context,
                              const GpuMonitor& monitor, Ensemble& ensemble);

}  // namespace ridgeline::measure

/// What `ridgeline calibrate` does, one function an action; see commands.h for what they keep to.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "calibration/measurement.h"
#include "hardware/gpu.h"
#include "service/cli/commands.h"

namespace ridgeline::cli {

using Words = std::span<const std::string>;  // arguments behind the action

Result<int> CalibrateMeasure(Session& session, Words arguments);
Result<int> CalibrateImport(Session& session, Words files);
Result<int> CalibrateFit(Session& session, Words files);
Result<int> CalibrateCheck(Session& session, Words files);

/// The GPU of --gpu. `action` names itself in the error.
Result<hardware::Gpu> GpuOf(const Session& session, std::string_view action);

/// Points of files, in order, with remarks on what was left out of them. kInvalidArgument when they
/// hold no point at all.
Result<std::vector<calibration::Measurement>> ReadPoints(Session& session, Words files);
/// The shipped files of points of a GPU, sorted: those in `calibration/points` below the data's
/// roots whose names are its own ("h100-sxm-gemm.jsonl.gz") or the public tables' for it.
std::vector<std::string> ShippedPointFiles(const Session& session, const hardware::Gpu& gpu);
/// `files`, else the shipped ones; an error when there are neither.
Result<std::vector<calibration::Measurement>> GivenOrShippedPoints(Session& session, Words files,
                                                                   const hardware::Gpu& gpu);

/// "h200-sxm 4,230, a100-sxm-80g 12": which GPUs the points are of.
std::string GpusIn(std::span<const calibration::Measurement> points);

}  // namespace ridgeline::cli

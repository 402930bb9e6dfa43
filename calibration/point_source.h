/// Whatever file measured points come in: our JSON lines, the public per-operator tables
/// (imported_ops.h), nccl-tests' logs (nccl_tests_log.h), Nsight Systems' SQLite exports
/// (nsys_export.h); each but the last gzipped or not, told apart by name and content.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "calibration/imported_points.h"
#include "calibration/nvtx_operation.h"

namespace ridgeline::calibration {

/// `gpu`: catalog name for files that do not name one (logs and traces need it, and must not name
/// another GPU as their device); points of files that do are left as they are. `facts`: what a
/// trace does not say. Errors name the file, and in text files line and column.
Result<ImportedPoints> ReadPointSource(const std::filesystem::path& path, std::string_view gpu,
                                       const TraceFacts& facts = {});

/// False when the driver's name of a device ("NVIDIA A100-SXM4-80GB") names another chip than the
/// catalog's name ("h100-sxm"). Names without a chip's letters and digits tell nothing: true.
bool MayBe(std::string_view device, std::string_view gpu);

}  // namespace ridgeline::calibration

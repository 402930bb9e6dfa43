/// Whatever file measured points come in: our JSON lines, the public per-operator tables
/// (imported_ops.h), nccl-tests' logs (nccl_tests_log.h); each gzipped or not, told apart by name
/// and content. Nsight Systems SQLite exports are recognised and refused: a kernel's name in a
/// trace does not say the shape it ran on, so nothing in them can be priced without the program
/// that made them.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "calibration/imported_ops.h"

namespace ridgeline::calibration {

/// `gpu`: catalog name for files that do not name one; points of files that do are left as they
/// are.
Result<ImportedPoints> ReadPointSource(const std::filesystem::path& path, std::string_view gpu);

}  // namespace ridgeline::calibration

/// Reads points from an Nsight Systems report exported to SQLite:
///
///     nsys profile --trace=cuda,nvtx -o report python train.py
///     nsys export --type sqlite -o report.sqlite report.nsys-rep
///
/// A trace names kernels, not the shapes that they ran on: those come from NVTX ranges
/// (nvtx_operation.h). A kernel belongs to the innermost such range that was open, on the thread
/// that launched it, when it was launched (CUPTI_ACTIVITY_KIND_RUNTIME, by correlation id and
/// process). An operation's time is the sum of its range's kernels, nothing subtracted; copies and
/// memsets, which stand in tables of their own, are not in it. Kernels outside such ranges, and
/// those of a range that holds another such range, are counted and left out.
///
/// One point for each operation and condition: the median over its occurrences, their number as
/// samples. Of a collective the shortest: on all ranks but the last to arrive, the kernel's time
/// includes waiting for the others. The condition is TraceCondition() but for what `facts` says.
///
/// Schema (docs.nvidia.com/nsight-systems, "SQLite Schema Reference"): it differs between versions,
/// so columns are sought by name, names of kernels and ranges as text or as ids of StringIds, and
/// what is optional (device, process, payload) may be missing.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "calibration/imported_points.h"
#include "calibration/nvtx_operation.h"

namespace ridgeline::calibration {

/// True when the file begins as SQLite's do.
bool IsSqlite(const std::filesystem::path& path);

/// `gpu`: the catalog's name of the GPU that ran. kInvalidArgument: no SQLite, no export of Nsight
/// Systems, a table or column missing (named, with the option of `nsys` that makes it).
/// O(n log n) in kernels and ranges; names are held in memory once.
Result<ImportedPoints> ReadNsysExport(const std::filesystem::path& path, std::string_view gpu,
                                      const TraceFacts& facts);

}  // namespace ridgeline::calibration

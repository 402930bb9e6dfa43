/// The tables that NVIDIA/nccl-tests prints: one log of one run of all_reduce_perf,
/// all_gather_perf, reduce_scatter_perf, alltoall_perf, broadcast_perf or sendrecv_perf.
///
///     # nThread 1 nGpus 8 minBytes 8 maxBytes 1073741824 ...
///     #  Rank  0 Group  0 Pid  91 on   host-a device  0 [0x1b] NVIDIA H100 80GB HBM3
///     #       size         count      type   redop    root     time   algbw   busbw #wrong ...
///         1048576        262144     float     sum      -1    38.24   27.42   47.99      0 ...
///
/// Times are microseconds, out of place first; columns are found from the right, because redop and
/// root are missing for some collectives. Which collective it was stands in the log only as the
/// program's name, in its command line or "Collective test starting: all_reduce_perf" (newer
/// versions). Where it does not, the reader tells it, or the file's name does.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/operation.h"
#include "base/result.h"
#include "calibration/imported_points.h"

namespace ridgeline::calibration {

/// True when the text has the header of nccl-tests' table.
bool IsNcclTestsLog(std::string_view text);

/// The collective that a file's name says: "all_reduce_perf.log", "run3-alltoall.txt". Nothing when
/// it says none or more than one.
std::optional<CollectiveKind> CollectiveInFileName(std::string_view path);

/// Out-of-place times of every row that has one. `gpu` is the catalog's name. Ranks and nodes come
/// from the "Rank" lines (a host is a node). Condition: eager launch, as nccl-tests times without
/// -G, else a graph. Several runs may follow each other in one text, each with its own header. Rows
/// whose answers were wrong (#wrong above 0), without a time or of a type unknown here are left out
/// and counted; N/A, which -c 0 prints, is no error. kInvalidArgument, with `name` and line, when
/// the collective or the ranks cannot be told. `kind` is for logs that do not say it.
Result<ImportedPoints> ReadNcclTestsLog(const std::string& name, std::string_view text,
                                        std::string_view gpu,
                                        std::optional<CollectiveKind> kind = {});

}  // namespace ridgeline::calibration

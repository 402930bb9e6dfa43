/// The public per-operator tables of ai-dynamo/aiconfigurator (Apache-2.0): timings of A100, H100
/// and H200 by the engines' own kernels, as CSV (gzipped or not) named
/// SYSTEM__ENGINE-VERSION__FAMILY.csv, e.g. h100_sxm__vllm-0.24.0__gemm.csv.gz. Latencies are
/// milliseconds; message sizes are elements.
///
/// Families read: gemm, context_attention, encoder_attention, generation_attention, moe,
/// scale_matrix (a static FP8 quantisation: a cast), nccl, custom_allreduce. The others (latent
/// attention modules, state spaces, expert dispatch, differences of two kernels) time compounds
/// that are no operation here: kUnimplemented, by name.
///
/// Rows whose number format is no DType (block-scaled FP8, weight-only INT4, MXFP4) or that run
/// another kernel than the file's main one are left out and counted.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "calibration/imported_points.h"

namespace ridgeline::calibration {

/// True when the file's name is of the form above.
bool IsImportedOpsName(const std::filesystem::path& path);
/// The catalog's name of the GPU that the file's name says; empty when it is not of that form.
std::string ImportedGpu(const std::filesystem::path& path);
/// Errors name line and column of what is no number.
Result<ImportedPoints> ReadImportedOps(const std::filesystem::path& path);

}  // namespace ridgeline::calibration

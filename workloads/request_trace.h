/// Request logs as published, one reader a format. A line that is broken is an error with file,
/// line and column; nothing is skipped silently. Files ending in .gz are unpacked while reading.
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "workloads/request_load.h"

namespace ridgeline::workloads {

/// What a trace's readers are told. Reads at most `requests` rows when set.
struct TraceRequest {
  std::filesystem::path file;
  std::optional<int64_t> requests;
  bool spread = true;  // see Arrivals::spread
};

/// Tells the format by the first line (Azure's header, Mooncake's keys) and reads it.
Result<RequestLoad> ReadRequestTrace(const TraceRequest& request);

/// Columns TIMESTAMP, ContextTokens, GeneratedTokens: Azure/AzurePublicDataset
/// (AzureLLMInferenceTrace, 2023), CC-BY-4.0. Arrivals count from the first row.
Result<RequestLoad> ReadAzureTrace(const TraceRequest& request);

/// JSON lines with timestamp (ms), input_length, output_length, hash_ids (one a 512-token block):
/// kvcache-ai/Mooncake FAST25-release, Apache-2.0.
Result<RequestLoad> ReadMooncakeTrace(const TraceRequest& request);

}  // namespace ridgeline::workloads

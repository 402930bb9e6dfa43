/// Logs of real serving runs, request by request: what was asked when, and when the first and the
/// last token came. For holding the scheduler against an engine.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/result.h"
#include "base/units.h"
#include "sim/serving/fleet.h"
#include "workloads/request_load.h"

namespace ridgeline::validation {

/// One run as the suite's document lists it.
struct ServingLogDescription {
  std::string file;  // path from the folder of the document
  std::string title;
  int64_t kv_blocks = 0;
  int64_t max_batched_tokens = 0;
  int64_t max_sequences = 0;
  int64_t max_model_len = 0;
};
const Schema<ServingLogDescription>& SchemaOf(Tag<ServingLogDescription>);

/// Since the first request was queued.
struct TokenTimes {
  Seconds first;
  Seconds last;
};

struct MeasuredServing {
  std::string title;
  serving::SchedulerLimits limits;
  workloads::RequestLoad load;       // queued_s is when a request arrives at the engine
  std::vector<TokenTimes> measured;  // of each request of the load
};

/// A suite of such logs.
struct ServingLogs {
  std::string name;
  std::string source;
  std::map<std::string, double> tolerance;  // relative, by metric
  std::vector<MeasuredServing> runs;
};

/// Whether a suite document is one of logs: `kind: serving-logs`.
bool IsServingLogs(const Node& document);

/// Decodes the document and reads the CSV files that it names, by paths from `folder`. Their
/// columns are request, input_tokens, output_tokens, shared_with and shared_blocks (empty, or how
/// many leading blocks of 16 tokens of the prompt equal those of an earlier request's), queued_s,
/// scheduled_s, first_token_s, last_token_s. Errors with file:line:column.
Result<ServingLogs> ReadServingLogs(const Node& document, const std::filesystem::path& folder);

}  // namespace ridgeline::validation

/// What a published request log is: configs/traces/NAME.yaml beside the log itself. Where it comes
/// from, under which licence, and what it holds, so that `list` and `describe` need not read it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/result.h"
#include "base/units.h"

namespace ridgeline::workloads {

struct TraceDescription {
  std::string title;
  std::vector<std::string> aliases;
  std::string file;     // a name in the folder of the description, not a path
  std::string source;   // where it was published, and what was changed since
  std::string licence;  // SPDX
  int64_t requests = 0;
  Seconds span;  // from the first to the last time stamp
  bool has_prefixes = false;
  std::string notes;
  friend bool operator==(const TraceDescription&, const TraceDescription&) = default;
};
const Schema<TraceDescription>& SchemaOf(Tag<TraceDescription>);

/// By the ending: a description is YAML, a log is not.
bool IsTraceDescription(const std::filesystem::path& file);
Result<TraceDescription> ReadTraceDescription(const std::filesystem::path& file);

}  // namespace ridgeline::workloads

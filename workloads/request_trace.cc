#include "workloads/request_trace.h"

#include "workloads/trace_file.h"

namespace ridgeline::workloads {

Result<RequestLoad> ReadRequestTrace(const TraceRequest& request) {
  ASSIGN_OR_RETURN(TraceFile file, TraceFile::Read(request.file));
  const std::string_view first = file.Next().value_or("");
  if (first.starts_with("TIMESTAMP,")) {
    file.Rewind();
    return ReadAzureRows(file, request);
  }
  if (first.starts_with('{')) {
    file.Rewind();
    return ReadMooncakeRows(file, request);
  }
  return Fail(file.ErrorAt(0, first.size(), "not a known format of traces",
                           "the first line must be Azure's header "
                           "(TIMESTAMP,ContextTokens,GeneratedTokens) or Mooncake's JSON object"));
}

}  // namespace ridgeline::workloads

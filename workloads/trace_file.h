/// A request log as text: read whole, unpacked where the name ends in .gz, given line by line, with
/// errors that point into it. Shared by the trace readers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "workloads/request_load.h"
#include "workloads/request_trace.h"

namespace ridgeline::workloads {

/// What a log may hold, unpacked: a small file that unpacks to more is refused while unpacking.
inline constexpr size_t kMaxTraceBytes = size_t{1} << 30;

class TraceFile {
 public:
  /// kNotFound when there is no such file; kInvalidArgument for a folder, an empty file and a
  /// damaged or cut gzip stream; kResourceExhausted above kMaxTraceBytes.
  static Result<TraceFile> Read(const std::filesystem::path& file);

  /// The next line without its end ("\n" or "\r\n"); nullopt after the last. Empty lines at the end
  /// of the file are no lines.
  std::optional<std::string_view> Next();
  /// The next call of Next gives the first line again.
  void Rewind();
  /// An error about the line that Next gave last, from byte `offset` of it on.
  Error ErrorAt(size_t offset, size_t length, std::string message, std::string hint = {}) const;

 private:
  explicit TraceFile(std::shared_ptr<const SourceText> source);
  std::shared_ptr<const SourceText> source_;  // shared: an error outlives the reading
  std::string_view rest_;
  std::string_view line_;
  int line_number_ = 0;
};

/// Rows as they are read: keeps them in order, knows when enough are read, and spreads and cuts
/// them at the end. What is kept of a log's first n requests does not depend on where reading
/// stopped: the group of rows that shares the n-th stamp is read whole, and the stamp after it.
class TraceRows {
 public:
  explicit TraceRows(const TraceRequest& request) : request_(&request) {}
  /// False when no further row is needed.
  bool Add(const Request& row);
  bool goes_back(Seconds arrival) const { return !rows_.empty() && arrival < rows_.back().arrival; }
  /// Arrivals from the first row's stamp on, spread if asked, and cut.
  std::vector<Request> Finish() &&;

 private:
  const TraceRequest* request_;
  std::vector<Request> rows_;
};

// One format each, from its first line on.
Result<RequestLoad> ReadAzureRows(TraceFile& file, const TraceRequest& request);
Result<RequestLoad> ReadMooncakeRows(TraceFile& file, const TraceRequest& request);

/// Arrivals that share a stamp are spread evenly up to the next stamp; those of the last stamp over
/// the mean distance of stamps. One stamp alone stays as it is. `rows` are in order.
void SpreadArrivals(std::vector<Request>& rows);

}  // namespace ridgeline::workloads

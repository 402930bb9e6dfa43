#include "workloads/trace_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <zlib.h>

#include "base/units_text.h"

namespace ridgeline::workloads {
namespace {

struct CloseFile {
  void operator()(gzFile file) const { gzclose(file); }
};

}  // namespace

TraceFile::TraceFile(std::shared_ptr<const SourceText> source) : source_(std::move(source)) {
  Rewind();
}

void TraceFile::Rewind() {
  line_number_ = 0;
  rest_ = source_->text;
  if (rest_.starts_with("\xEF\xBB\xBF")) {
    rest_.remove_prefix(3);
  }
  const size_t last = rest_.find_last_not_of("\r\n");
  rest_ = last == std::string_view::npos ? std::string_view{} : rest_.substr(0, last + 1);
}

Result<TraceFile> TraceFile::Read(const std::filesystem::path& file) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(file, error);
  if (!std::filesystem::exists(status)) {
    return NotFound(fmt::format("no such trace: {}", file.string()));
  }
  if (!std::filesystem::is_regular_file(status)) {
    return InvalidArgument(fmt::format("a trace is a file: {}", file.string()));
  }
  // zlib reads what is not packed as it stands.
  const std::unique_ptr<gzFile_s, CloseFile> stream(gzopen(file.c_str(), "rb"));
  if (stream == nullptr) {
    return NotFound(fmt::format("cannot open the trace: {}", file.string()));
  }
  std::string text;
  std::array<char, size_t{1} << 16> buffer;
  for (;;) {
    const int got = gzread(stream.get(), buffer.data(), static_cast<unsigned>(buffer.size()));
    int code = Z_OK;
    const std::string_view reason = gzerror(stream.get(), &code);
    // A stream that is cut off says so only once its last bytes are out.
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      return InvalidArgument(fmt::format("a damaged trace: {}: {}", file.string(), reason),
                             "unpack it with gunzip to see where it breaks off");
    }
    if (got == 0) {
      break;
    }
    if (text.size() + static_cast<size_t>(got) > kMaxTraceBytes) {
      return Fail({.code = ErrorCode::kResourceExhausted,
                   .message = fmt::format(
                       "a trace larger than {}: {}",
                       Format(Bytes::FromBase(static_cast<double>(kMaxTraceBytes))), file.string()),
                   .hint = "cut it into parts"});
    }
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  TraceFile read(std::make_shared<const SourceText>(SourceText{file.string(), std::move(text)}));
  if (read.rest_.empty()) {
    return InvalidArgument(fmt::format("an empty trace: {}", file.string()));
  }
  return read;
}

std::optional<std::string_view> TraceFile::Next() {
  if (rest_.empty()) {
    return std::nullopt;
  }
  const size_t end = rest_.find('\n');
  line_ = rest_.substr(0, end);
  rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
  if (line_.ends_with('\r')) {
    line_.remove_suffix(1);
  }
  ++line_number_;
  return line_;
}

Error TraceFile::ErrorAt(size_t offset, size_t length, std::string message,
                         std::string hint) const {
  return {.code = ErrorCode::kInvalidArgument,
          .message = std::move(message),
          .where = SourceLocation{.source = source_,
                                  .line = line_number_,
                                  .column = static_cast<int>(std::min(offset, line_.size())) + 1,
                                  .length = static_cast<int>(std::max<size_t>(length, 1))},
          .hint = std::move(hint)};
}

bool TraceRows::Add(const Request& row) {
  rows_.push_back(row);
  const std::optional<int64_t>& most = request_->requests;
  if (!most || static_cast<int64_t>(rows_.size()) <= *most) {
    return true;
  }
  return request_->spread && row.arrival == rows_[static_cast<size_t>(*most) - 1].arrival;
}

std::vector<Request> TraceRows::Finish() && {
  if (!rows_.empty()) {
    const Seconds start = rows_.front().arrival;
    for (Request& row : rows_) {
      row.arrival -= start;
    }
  }
  if (request_->spread) {
    SpreadArrivals(rows_);
  }
  if (request_->requests && static_cast<int64_t>(rows_.size()) > *request_->requests) {
    rows_.resize(static_cast<size_t>(*request_->requests));
  }
  return std::move(rows_);
}

void SpreadArrivals(std::vector<Request>& rows) {
  size_t stamps = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    stamps += i == 0 || rows[i].arrival != rows[i - 1].arrival ? 1 : 0;
  }
  if (stamps < 2) {
    return;
  }
  const Seconds mean_distance =
      (rows.back().arrival - rows.front().arrival) / static_cast<double>(stamps - 1);
  for (size_t first = 0; first < rows.size();) {
    const Seconds stamp = rows[first].arrival;
    size_t end = first;
    while (end < rows.size() && rows[end].arrival == stamp) {
      ++end;
    }
    const Seconds span = end < rows.size() ? rows[end].arrival - stamp : mean_distance;
    const auto count = static_cast<double>(end - first);
    for (size_t i = first; i < end; ++i) {
      rows[i].arrival = stamp + span * (static_cast<double>(i - first) / count);
    }
    first = end;
  }
}

}  // namespace ridgeline::workloads

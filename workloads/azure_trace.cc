#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "workloads/request_trace.h"
#include "workloads/trace_file.h"

namespace ridgeline::workloads {
namespace {

constexpr std::string_view kHeader = "TIMESTAMP,ContextTokens,GeneratedTokens";

/// A run of exactly `digits` digits; -1 when there is none.
int64_t Digits(std::string_view text, size_t at, size_t digits) {
  int64_t value = 0;
  if (at + digits > text.size()) {
    return -1;
  }
  for (const char c : text.substr(at, digits)) {
    if (c < '0' || c > '9') {
      return -1;
    }
    value = 10 * value + (c - '0');
  }
  return value;
}

/// "2023-11-16 18:15:46.6805900", with up to nine digits of a second, in nanoseconds since 1970;
/// nullopt for anything else.
std::optional<int64_t> ParseStamp(std::string_view text) {
  const int64_t year = Digits(text, 0, 4);
  const int64_t month = Digits(text, 5, 2);
  const int64_t day = Digits(text, 8, 2);
  const int64_t hour = Digits(text, 11, 2);
  const int64_t minute = Digits(text, 14, 2);
  const int64_t second = Digits(text, 17, 2);
  // Nanoseconds in an int64 end in 2262.
  if (text.size() < 19 || text[4] != '-' || text[7] != '-' || text[10] != ' ' || text[13] != ':' ||
      text[16] != ':' || year < 1970 || year > 2261 || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 59) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (month < 1 || day < 1 || !date.ok()) {
    return std::nullopt;
  }
  int64_t nanoseconds = 0;
  if (text.size() > 19) {
    const size_t digits = text.size() - 20;
    const int64_t fraction = digits >= 1 && digits <= 9 ? Digits(text, 20, digits) : -1;
    if (text[19] != '.' || fraction < 0) {
      return std::nullopt;
    }
    nanoseconds = fraction;
    for (size_t i = digits; i < 9; ++i) {
      nanoseconds *= 10;
    }
  }
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1'000'000'000 + nanoseconds;
}

/// A column: where it starts in the line, and its text.
struct Column {
  size_t offset = 0;
  std::string_view text;
};

Result<int64_t> ParseTokens(const TraceFile& file, const Column& column, std::string_view what) {
  int64_t value = 0;
  const char* const end = column.text.data() + column.text.size();
  const auto [stop, code] = std::from_chars(column.text.data(), end, value);
  if (code != std::errc{} || stop != end) {
    return Fail(file.ErrorAt(column.offset, column.text.size(),
                             fmt::format("{} is no whole number: {}", what, column.text)));
  }
  if (value < 1 || value > int64_t{1} << 30) {
    return Fail(file.ErrorAt(column.offset, column.text.size(),
                             fmt::format("{} must be 1 to {}: {}", what, 1 << 30, value)));
  }
  return value;
}

}  // namespace

Result<RequestLoad> ReadAzureTrace(const TraceRequest& request) {
  ASSIGN_OR_RETURN(TraceFile file, TraceFile::Read(request.file));
  return ReadAzureRows(file, request);
}

Result<RequestLoad> ReadAzureRows(TraceFile& file, const TraceRequest& request) {
  const std::optional<std::string_view> header = file.Next();
  if (header != kHeader) {
    return Fail(file.ErrorAt(0, header ? header->size() : 1,
                             "the first line is not the header of an Azure trace",
                             fmt::format("it must be: {}", kHeader)));
  }
  TraceRows rows(request);
  int64_t first_stamp = 0;
  bool is_first = true;
  while (const std::optional<std::string_view> line = file.Next()) {
    const size_t first_comma = line->find(',');
    const size_t second_comma =
        first_comma == std::string_view::npos ? first_comma : line->find(',', first_comma + 1);
    if (second_comma == std::string_view::npos ||
        line->find(',', second_comma + 1) != std::string_view::npos) {
      return Fail(file.ErrorAt(0, line->size(), "a row needs three columns",
                               fmt::format("as in the header: {}", kHeader)));
    }
    const Column stamp_text{0, line->substr(0, first_comma)};
    const Column input{first_comma + 1,
                       line->substr(first_comma + 1, second_comma - first_comma - 1)};
    const Column output{second_comma + 1, line->substr(second_comma + 1)};
    const std::optional<int64_t> stamp = ParseStamp(stamp_text.text);
    if (!stamp) {
      return Fail(file.ErrorAt(0, stamp_text.text.size(),
                               fmt::format("not a time stamp: {}", stamp_text.text),
                               "write it as 2023-11-16 18:15:46.6805900"));
    }
    if (is_first) {
      first_stamp = *stamp;
      is_first = false;
    }
    // The difference of two stamps is exact in nanoseconds; the double then holds it to far less
    // than one.
    Request row;
    row.arrival = Seconds::FromBase(static_cast<double>(*stamp - first_stamp) / 1e9);
    if (rows.goes_back(row.arrival)) {
      return Fail(file.ErrorAt(0, stamp_text.text.size(),
                               fmt::format("a time stamp goes back: {}", stamp_text.text),
                               "sort the rows by time"));
    }
    ASSIGN_OR_RETURN(row.input_tokens, ParseTokens(file, input, "ContextTokens"));
    ASSIGN_OR_RETURN(row.output_tokens, ParseTokens(file, output, "GeneratedTokens"));
    if (!rows.Add(row)) {
      break;
    }
  }
  RequestLoad load;
  load.requests = std::move(rows).Finish();
  if (load.requests.empty()) {
    return Fail(file.ErrorAt(0, 1, "a trace without requests"));
  }
  return load;
}

}  // namespace ridgeline::workloads

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "workloads/request_trace.h"
#include "workloads/trace_file.h"

namespace ridgeline::workloads {
namespace {

constexpr int64_t kBlockTokens = 512;
constexpr std::array<std::string_view, 4> kKeys = {"timestamp", "input_length", "output_length",
                                                   "hash_ids"};

/// One line: a flat object of numbers and one list of them. A reader of its own because a line's
/// errors need their column, and because this is what reading such a log takes its time with.
class LineReader {
 public:
  LineReader(const TraceFile& file, std::string_view line) : file_(file), line_(line) {}

  void SkipSpace() {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t')) {
      ++at_;
    }
  }
  /// Takes one character, with the white space before it.
  bool Take(char expected) {
    SkipSpace();
    if (at_ >= line_.size() || line_[at_] != expected) {
      return false;
    }
    ++at_;
    return true;
  }
  Status Expect(char expected) {
    if (!Take(expected)) {
      return Fail(Here(fmt::format("expected '{}'", expected)));
    }
    return {};
  }
  Result<std::string_view> Key() {
    RETURN_IF_ERROR(Expect('"'));
    const size_t end = line_.find('"', at_);
    if (end == std::string_view::npos) {
      return Fail(Here("a key without its closing quote"));
    }
    const std::string_view key = line_.substr(at_, end - at_);
    at_ = end + 1;
    return key;
  }
  template <class Number>
  Result<Number> Value(std::string_view what, Number least, Number most) {
    SkipSpace();
    Number value{};
    const char* const begin = line_.data() + at_;
    const auto [stop, code] = std::from_chars(begin, line_.data() + line_.size(), value);
    const auto length = static_cast<size_t>(stop - begin);
    // A whole number must not go on as a fraction.
    const bool goes_on =
        stop != line_.data() + line_.size() && (*stop == '.' || *stop == 'e' || *stop == 'E');
    if (code != std::errc{} || goes_on) {
      return Fail(Here(
          fmt::format("{} needs a {}number", what, std::is_integral_v<Number> ? "whole " : "")));
    }
    if (!(value >= least && value <= most)) {
      return Fail(file_.ErrorAt(
          at_, length, fmt::format("{} is out of range: {}", what, line_.substr(at_, length)),
          fmt::format("at least {}, at most {}", least, most)));
    }
    at_ += length;
    return value;
  }
  Error Here(std::string message, std::string hint = {}) const {
    return file_.ErrorAt(at_, 1, std::move(message), std::move(hint));
  }
  size_t at() const { return at_; }
  bool is_at_end() {
    SkipSpace();
    return at_ == line_.size();
  }

 private:
  const TraceFile& file_;
  std::string_view line_;
  size_t at_ = 0;
};

/// Appends the list's ids.
Status ReadIds(LineReader& reader, std::vector<int64_t>& ids) {
  RETURN_IF_ERROR(reader.Expect('['));
  if (reader.Take(']')) {
    return {};
  }
  do {
    ASSIGN_OR_RETURN(const int64_t id, reader.Value<int64_t>("an id of hash_ids", 0,
                                                             std::numeric_limits<int64_t>::max()));
    ids.push_back(id);
  } while (reader.Take(','));
  return reader.Expect(']');
}

/// Reads a row; its ids go behind those in `ids`.
Result<Request> ReadRow(const TraceFile& file, std::string_view line, std::vector<int64_t>& ids) {
  LineReader reader(file, line);
  Request row;
  row.first_prefix_id = static_cast<int64_t>(ids.size());
  std::array<bool, kKeys.size()> has = {};
  size_t ids_at = 0;
  RETURN_IF_ERROR(reader.Expect('{'));
  do {
    reader.SkipSpace();
    const size_t key_at = reader.at();
    ASSIGN_OR_RETURN(const std::string_view key, reader.Key());
    const auto known =
        static_cast<size_t>(std::find(kKeys.begin(), kKeys.end(), key) - kKeys.begin());
    if (known == kKeys.size() || has[known]) {
      return Fail(file.ErrorAt(
          key_at, key.size() + 2,
          fmt::format("{} key: {}", known == kKeys.size() ? "unknown" : "repeated", key),
          "a row has timestamp, input_length, output_length and hash_ids"));
    }
    has[known] = true;
    RETURN_IF_ERROR(reader.Expect(':'));
    if (known == 0) {
      ASSIGN_OR_RETURN(const double stamp, reader.Value<double>("timestamp", 0.0, 9e15));
      row.arrival = Seconds::FromBase(stamp / 1e3);
    } else if (known == 3) {
      reader.SkipSpace();
      ids_at = reader.at();
      RETURN_IF_ERROR(ReadIds(reader, ids));
    } else {
      ASSIGN_OR_RETURN(const int64_t tokens, reader.Value<int64_t>(key, 1, int64_t{1} << 30));
      (known == 1 ? row.input_tokens : row.output_tokens) = tokens;
    }
  } while (reader.Take(','));
  RETURN_IF_ERROR(reader.Expect('}'));
  if (!reader.is_at_end()) {
    return Fail(reader.Here("text after the row's object"));
  }
  for (size_t i = 0; i < kKeys.size(); ++i) {
    if (!has[i]) {
      return Fail(file.ErrorAt(0, line.size(), fmt::format("missing key: {}", kKeys[i])));
    }
  }
  row.num_prefix_ids = static_cast<int64_t>(ids.size()) - row.first_prefix_id;
  const int64_t blocks = (row.input_tokens + kBlockTokens - 1) / kBlockTokens;
  if (row.num_prefix_ids != blocks) {
    return Fail(
        file.ErrorAt(ids_at, 1,
                     fmt::format("{} ids for {} tokens, which fill {} blocks of {}",
                                 row.num_prefix_ids, row.input_tokens, blocks, kBlockTokens)));
  }
  return row;
}

}  // namespace

Result<RequestLoad> ReadMooncakeTrace(const TraceRequest& request) {
  ASSIGN_OR_RETURN(TraceFile file, TraceFile::Read(request.file));
  return ReadMooncakeRows(file, request);
}

Result<RequestLoad> ReadMooncakeRows(TraceFile& file, const TraceRequest& request) {
  RequestLoad load;
  load.prefix_block_tokens = kBlockTokens;
  TraceRows rows(request);
  while (const std::optional<std::string_view> line = file.Next()) {
    ASSIGN_OR_RETURN(const Request row, ReadRow(file, *line, load.prefix_ids));
    if (rows.goes_back(row.arrival)) {
      return Fail(
          file.ErrorAt(0, line->size(), "a time stamp goes back", "sort the rows by timestamp"));
    }
    if (!rows.Add(row)) {
      break;
    }
  }
  load.requests = std::move(rows).Finish();
  // Rows read only to know where the last ones spread to bring no ids.
  const Request& last = load.requests.back();
  load.prefix_ids.resize(static_cast<size_t>(last.first_prefix_id + last.num_prefix_ids));
  return load;
}

}  // namespace ridgeline::workloads

#include "planner/validation/csv_reader.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"

namespace ridgeline::validation {
namespace {

/// One pass over the text; keeps line and column as it goes.
class Scanner {
 public:
  explicit Scanner(std::shared_ptr<const SourceText> source) : source_(std::move(source)) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text().substr(0, kByteOrderMark.size()) == kByteOrderMark) {
      position_ = kByteOrderMark.size();
      line_begin_ = position_;
    }
  }

  bool AtEnd() const { return position_ >= text().size(); }

  /// The next row that is not an empty line; false at the end.
  Result<bool> NextRow(CsvRow& row) {
    while (!AtEnd() && SkipLineBreak()) {
    }
    if (AtEnd()) {
      return false;
    }
    row.fields.clear();
    for (;;) {
      ASSIGN_OR_RETURN(CsvField field, NextField());
      row.fields.push_back(std::move(field));
      if (!AtEnd() && text()[position_] == ',') {
        ++position_;
        continue;
      }
      SkipLineBreak();
      return true;
    }
  }

 private:
  std::string_view text() const { return source_->text; }

  SourceLocation Here() const {
    return {.source = source_,
            .line = line_,
            .column = static_cast<int>(position_ - line_begin_) + 1,
            .length = 1};
  }

  tl::unexpected<Error> FailHere(std::string message, std::string hint) const {
    return Fail({.code = ErrorCode::kInvalidArgument,
                 .message = std::move(message),
                 .where = Here(),
                 .hint = std::move(hint)});
  }

  bool SkipLineBreak() {
    if (AtEnd() || (text()[position_] != '\n' && text()[position_] != '\r')) {
      return false;
    }
    const bool is_pair =
        text()[position_] == '\r' && position_ + 1 < text().size() && text()[position_ + 1] == '\n';
    position_ += is_pair ? 2 : 1;
    ++line_;
    line_begin_ = position_;
    return true;
  }

  Result<CsvField> NextField() {
    CsvField field{.text = {}, .where = Here()};
    if (!AtEnd() && text()[position_] == '"') {
      return QuotedField(std::move(field));
    }
    const size_t begin = position_;
    while (!AtEnd()) {
      const char c = text()[position_];
      if (c == ',' || c == '\n' || c == '\r') {
        break;
      }
      if (c == '"') {
        return FailHere("a quote stands in the middle of a field that does not begin with one",
                        "quote the whole field and write the quote twice");
      }
      ++position_;
    }
    field.text = std::string(text().substr(begin, position_ - begin));
    field.where.length = std::max<int>(1, static_cast<int>(field.text.size()));
    return field;
  }

  Result<CsvField> QuotedField(CsvField field) {
    ++position_;
    while (!AtEnd()) {
      const char c = text()[position_];
      if (c == '"') {
        ++position_;
        if (AtEnd() || text()[position_] != '"') {
          return AfterQuote(std::move(field));
        }
      } else if (c == '\n') {
        ++line_;
        line_begin_ = position_ + 1;
      }
      field.text += c;
      ++position_;
    }
    return Fail({.code = ErrorCode::kInvalidArgument,
                 .message = "a quoted field is never closed",
                 .where = field.where,
                 .hint = "add the closing quote; a quote inside the field is written twice"});
  }

  Result<CsvField> AfterQuote(CsvField field) const {
    if (!AtEnd() && text()[position_] != ',' && text()[position_] != '\n' &&
        text()[position_] != '\r') {
      return FailHere("text stands after the closing quote of a field",
                      "a quote inside a quoted field is written twice");
    }
    return field;
  }

  std::shared_ptr<const SourceText> source_;
  size_t position_ = 0;
  size_t line_begin_ = 0;
  int line_ = 1;
};

}  // namespace

size_t CsvTable::ColumnIndex(std::string_view name) const {
  const auto found = std::find(columns.begin(), columns.end(), name);
  return found == columns.end() ? kNoColumn : static_cast<size_t>(found - columns.begin());
}

Result<CsvTable> ParseCsv(std::string name, std::string text) {
  const auto source =
      std::make_shared<const SourceText>(SourceText{std::move(name), std::move(text)});
  Scanner scanner(source);
  CsvTable table;
  CsvRow row;
  ASSIGN_OR_RETURN(const bool has_header, scanner.NextRow(row));
  if (!has_header) {
    return Fail({.code = ErrorCode::kInvalidArgument,
                 .message = "the table has no header",
                 .where = SourceLocation{.source = source, .line = 1, .column = 1},
                 .hint = "the first line names the columns"});
  }
  table.where = row.fields.front().where;
  std::set<std::string> seen;
  for (const CsvField& field : row.fields) {
    if (field.text.empty() || !seen.insert(field.text).second) {
      return Fail({.code = ErrorCode::kInvalidArgument,
                   .message = field.text.empty() ? "a column has no name"
                                                 : "duplicate column: " + field.text,
                   .where = field.where,
                   .hint = "every column has a name of its own"});
    }
    table.columns.push_back(field.text);
  }
  for (;;) {
    ASSIGN_OR_RETURN(const bool has_row, scanner.NextRow(row));
    if (!has_row) {
      return table;
    }
    if (row.fields.size() != table.columns.size()) {
      const size_t last = std::min(row.fields.size(), table.columns.size() + 1) - 1;
      return Fail({.code = ErrorCode::kInvalidArgument,
                   .message = fmt::format("a row has {} fields and the header {}",
                                          row.fields.size(), table.columns.size()),
                   .where = row.fields[last].where,
                   .hint = "quote fields that hold commas"});
    }
    table.rows.push_back(std::move(row));
    row = {};
  }
}

namespace {

/// Names and words of a table end up in JSON, which is UTF-8. The error names the first byte that
/// is not.
Status CheckUtf8(const std::string& name, std::string_view text) {
  int line = 1;
  size_t line_start = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = Utf8SequenceLength(text, at);
    if (length == 0 || text[at] == '\0') {
      return Fail(
          {.code = ErrorCode::kInvalidArgument,
           .message = fmt::format("{}: byte {:#04x}", length == 0 ? "not UTF-8" : "not text",
                                  static_cast<unsigned char>(text[at])),
           .where = SourceLocation{
               .source = std::make_shared<const SourceText>(SourceText{.name = name, .text = {}}),
               .line = line,
               .column = static_cast<int>(at - line_start) + 1}});
    }
    if (text[at] == '\n') {
      ++line;
      line_start = at + 1;
    }
    at += length;
  }
  return {};
}

}  // namespace

Result<CsvTable> ReadCsv(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return InvalidArgument("expected a CSV file, found a directory: " + path.string());
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return NotFound("cannot open " + path.string());
  }
  const auto size = std::filesystem::file_size(path, error);
  if (!error && size > kMaxCsvBytes) {
    return InvalidArgument(
        fmt::format("the CSV file is larger than {} MiB: {}", kMaxCsvBytes >> 20, path.string()));
  }
  std::ostringstream text;
  text << file.rdbuf();
  std::string read = std::move(text).str();
  RETURN_IF_ERROR(CheckUtf8(path.string(), read));
  return ParseCsv(path.string(), std::move(read));
}

}  // namespace ridgeline::validation

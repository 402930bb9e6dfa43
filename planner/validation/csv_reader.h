/// Comma-separated values as RFC 4180 writes them: fields may be quoted, quotes inside are doubled,
/// a quoted field may hold commas and line breaks. Every field knows its line and column.
///
/// Errors, all with file:line:column: a quote that never closes, text after a closing quote, a
/// quote in the middle of a bare field, a row with another number of fields than the header, a
/// duplicate or empty column name, no header. A byte order mark and empty lines are skipped; CRLF
/// is a line break.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/source_location.h"

namespace ridgeline::validation {

struct CsvField {
  std::string text;
  SourceLocation where;
};

struct CsvRow {
  std::vector<CsvField> fields;  // as many as there are columns
};

struct CsvTable {
  std::vector<std::string> columns;
  std::vector<CsvRow> rows;
  SourceLocation where;  // of the header

  /// Index of a column; npos when there is none.
  static constexpr size_t kNoColumn = static_cast<size_t>(-1);
  size_t ColumnIndex(std::string_view name) const;
};

/// O(text). `name` is used in messages.
Result<CsvTable> ParseCsv(std::string name, std::string text);
/// NotFound, or kInvalidArgument for a directory and for files above kMaxCsvBytes.
Result<CsvTable> ReadCsv(const std::filesystem::path& path);

inline constexpr size_t kMaxCsvBytes = size_t{64} << 20;

}  // namespace ridgeline::validation

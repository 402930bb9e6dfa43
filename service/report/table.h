/// Rows and columns, written for people (aligned text), spreadsheets (csv), programs (json, jsonl)
/// and pages (md). Every command that lists something makes one Table and lets the format decide.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ridgeline::report {

/// What -o takes.
enum class OutputFormat { kTable, kWide, kJson, kJsonl, kCsv, kMarkdown };
/// "table", "wide", "json", "jsonl", "csv", "md": in the order of OutputFormat.
const std::vector<std::string>& OutputFormatNames();

enum class Align { kLeft, kRight };

struct Column {
  std::string name;
  Align align = Align::kLeft;
  bool is_wide_only = false;  // left out of `table`; every other format has it
};

/// All rows have as many cells as there are columns.
struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};

/// Ends in a newline unless empty. Cells are text in every format; json is a list of objects.
std::string RenderTable(const Table& table, OutputFormat format);

/// Columns that a UTF-8 text takes on a terminal (one a code point; no wide scripts here).
size_t DisplayWidth(std::string_view text);
/// Padded with blanks to `width` columns.
std::string Pad(std::string_view text, size_t width, Align align = Align::kLeft);
/// A bar of `fraction` (0 to 1) of `width` columns, in eighths of a column.
std::string Bar(double fraction, int width);

}  // namespace ridgeline::report

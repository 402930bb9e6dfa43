#include "planner/validation/text_table.h"

#include <algorithm>

namespace ridgeline::validation {
namespace {

/// Characters, not bytes: names may hold any UTF-8.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::string Escaped(const std::string& cell) {
  std::string text;
  for (const char c : cell) {
    text += c == '|' ? "\\|" : std::string(1, c);
  }
  return text;
}

std::string CsvLine(const std::vector<std::string>& row) {
  std::string text;
  for (size_t column = 0; column < row.size(); ++column) {
    text += column == 0 ? "" : ",";
    if (row[column].find_first_of(",\"\n\r") == std::string::npos) {
      text += row[column];
      continue;
    }
    text += '"';
    for (const char c : row[column]) {
      text += c == '"' ? "\"\"" : std::string(1, c);
    }
    text += '"';
  }
  return text + "\n";
}

}  // namespace

std::string TextTable::Write(TextStyle style) const {
  if (style == TextStyle::kCsv) {
    std::string csv = CsvLine(header_);
    for (const auto& row : rows_) {
      csv += CsvLine(row);
    }
    return csv;
  }
  std::vector<size_t> widths;
  for (size_t column = 0; column < header_.size(); ++column) {
    size_t width = Width(header_[column]);
    for (const auto& row : rows_) {
      width = std::max(width, Width(row[column]));
    }
    widths.push_back(width);
  }
  const bool is_markdown = style == TextStyle::kMarkdown;
  std::string text = Line(header_, widths, is_markdown);
  if (is_markdown) {
    text += "|";
    for (size_t column = 0; column < header_.size(); ++column) {
      text += column < left_columns_ ? " --- |" : " ---: |";
    }
    text += "\n";
  }
  for (const auto& row : rows_) {
    text += Line(row, widths, is_markdown);
  }
  return text;
}

std::string TextTable::Line(const std::vector<std::string>& row, const std::vector<size_t>& widths,
                            bool is_markdown) const {
  std::string text = is_markdown ? "|" : "";
  for (size_t column = 0; column < row.size(); ++column) {
    if (is_markdown) {
      text += " " + Escaped(row[column]) + " |";
      continue;
    }
    const std::string padding(widths[column] - Width(row[column]), ' ');
    text += column == 0 ? "" : "  ";
    text += column < left_columns_ ? row[column] + padding : padding + row[column];
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text + "\n";
}

}  // namespace ridgeline::validation

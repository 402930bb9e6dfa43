#include "service/report/table.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <nlohmann/json.hpp>

namespace ridgeline::report {
namespace {

std::string TextTable(const Table& table, bool is_wide) {
  std::vector<size_t> shown;
  for (size_t column = 0; column < table.columns.size(); ++column) {
    if (is_wide || !table.columns[column].is_wide_only) {
      shown.push_back(column);
    }
  }
  std::vector<size_t> widths;
  for (const size_t column : shown) {
    size_t width = DisplayWidth(table.columns[column].name);
    for (const auto& row : table.rows) {
      width = std::max(width, DisplayWidth(row[column]));
    }
    widths.push_back(width);
  }
  std::string text;
  const auto append = [&](auto cell) {
    std::string line;
    for (size_t i = 0; i < shown.size(); ++i) {
      line += (i == 0 ? "" : "  ") + Pad(cell(shown[i]), widths[i], table.columns[shown[i]].align);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  append([&](size_t column) { return table.columns[column].name; });
  for (const auto& row : table.rows) {
    append([&](size_t column) { return row[column]; });
  }
  return text;
}

std::string CsvCell(const std::string& cell) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) {
    return cell;
  }
  std::string quoted = "\"";
  for (const char c : cell) {
    quoted += c;
    if (c == '"') {
      quoted += '"';
    }
  }
  return quoted + "\"";
}

std::string CsvTable(const Table& table) {
  std::string text;
  const auto append = [&text, &table](auto cell) {
    for (size_t column = 0; column < table.columns.size(); ++column) {
      text += (column == 0 ? "" : ",") + CsvCell(cell(column));
    }
    text += "\n";
  };
  append([&](size_t column) { return table.columns[column].name; });
  for (const auto& row : table.rows) {
    append([&](size_t column) { return row[column]; });
  }
  return text;
}

std::string MarkdownTable(const Table& table) {
  std::string text;
  const auto append = [&text, &table](auto cell) {
    for (size_t column = 0; column < table.columns.size(); ++column) {
      std::string escaped;
      for (const char c : std::string(cell(column))) {
        escaped += c == '|' ? "\\|" : std::string(1, c == '\n' ? ' ' : c);
      }
      text += (column == 0 ? "| " : " | ") + escaped;
    }
    text += " |\n";
  };
  append([&](size_t column) { return table.columns[column].name; });
  append(
      [&](size_t column) { return table.columns[column].align == Align::kRight ? "---:" : "---"; });
  for (const auto& row : table.rows) {
    append([&](size_t column) { return row[column]; });
  }
  return text;
}

/// A cell of a column of numbers is one where it reads as one, and nothing where it is empty;
/// "42.9 GB" stays text.
nlohmann::ordered_json JsonCell(const std::string& cell, Align align) {
  if (align == Align::kRight) {
    if (cell.empty()) {
      return nullptr;
    }
    const auto number = nlohmann::ordered_json::parse(cell, nullptr, false);
    if (number.is_number()) {
      return number;
    }
  }
  return cell;
}

std::string JsonTable(const Table& table, bool is_lines) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::string lines;
  for (const auto& row : table.rows) {
    nlohmann::ordered_json object;
    for (size_t column = 0; column < table.columns.size(); ++column) {
      object[table.columns[column].name] = JsonCell(row[column], table.columns[column].align);
    }
    if (is_lines) {
      lines += object.dump() + "\n";
    } else {
      list.push_back(std::move(object));
    }
  }
  return is_lines ? lines : list.dump(2) + "\n";
}

}  // namespace

const std::vector<std::string>& OutputFormatNames() {
  static const std::vector<std::string> names = {"table", "wide", "json", "jsonl", "csv", "md"};
  return names;
}

std::string RenderTable(const Table& table, OutputFormat format) {
  switch (format) {
    case OutputFormat::kTable:
      return TextTable(table, false);
    case OutputFormat::kWide:
      return TextTable(table, true);
    case OutputFormat::kJson:
      return JsonTable(table, false);
    case OutputFormat::kJsonl:
      return JsonTable(table, true);
    case OutputFormat::kCsv:
      return CsvTable(table);
    case OutputFormat::kMarkdown:
      return MarkdownTable(table);
  }
  return {};
}

size_t DisplayWidth(std::string_view text) {
  // Every byte but the continuation bytes (10xxxxxx) begins a code point.
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::string Pad(std::string_view text, size_t width, Align align) {
  const size_t own = DisplayWidth(text);
  const std::string blanks(width > own ? width - own : 0, ' ');
  return align == Align::kLeft ? std::string(text) + blanks : blanks + std::string(text);
}

std::string Bar(double fraction, int width) {
  constexpr std::array<std::string_view, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::lround(std::clamp(fraction, 0.0, 1.0) * 8.0 * width));
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) {
    bar += "█";
  }
  return bar + std::string(kEighths[static_cast<size_t>(eighths % 8)]);
}

}  // namespace ridgeline::report

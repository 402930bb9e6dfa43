/// Columns of words as aligned text, a Markdown table or CSV (RFC 4180).
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "planner/validation/validation_text.h"

namespace ridgeline::validation {

/// The first `left_columns` are set flush left, the others flush right. Every row has the header's
/// number of cells.
class TextTable {
 public:
  TextTable(std::vector<std::string> header, size_t left_columns)
      : header_(std::move(header)), left_columns_(left_columns) {}

  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  std::string Write(TextStyle style) const;

 private:
  std::string Line(const std::vector<std::string>& row, const std::vector<size_t>& widths,
                   bool is_markdown) const;

  std::vector<std::string> header_;
  size_t left_columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace ridgeline::validation

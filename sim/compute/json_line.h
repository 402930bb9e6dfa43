/// One line of JSON that is one flat object: names with numbers, strings, true or false. What
/// `cost` reads by the hundred thousand, so nothing is copied: fields point into the line.
///
/// A string is kept as written between its quotes; escapes are not expanded, since no name that a
/// line may hold needs one. Errors carry line and column: no object, a value that is a list, an
/// object or null, a duplicate key, text after the object, control characters, bad UTF-8.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/source_location.h"

namespace ridgeline::compute {

/// Which line of what: for messages.
struct LinePlace {
  std::shared_ptr<const SourceText> source;
  int line = 0;
  SourceLocation At(size_t offset, size_t length = 1) const {
    return {.source = source,
            .line = line,
            .column = static_cast<int>(offset) + 1,
            .length = static_cast<int>(length)};
  }
};

struct JsonField {
  enum class Kind { kNumber, kString, kTrue, kFalse };
  std::string_view key;
  std::string_view value;  // as written, a string without its quotes
  Kind kind = Kind::kNumber;
  size_t key_offset = 0;  // in the line, from 0
  size_t value_offset = 0;
};

/// Fills `fields` in order of writing. O(length of the line + fields^2).
Status ReadJsonLine(std::string_view line, const LinePlace& place, std::vector<JsonField>& fields);

}  // namespace ridgeline::compute

/// UTF-8, as far as reading documents needs it.
#pragma once

#include <cstddef>
#include <string_view>

namespace ridgeline {

/// Length of the well-formed UTF-8 sequence at `at` (Unicode table 3-7: no overlong forms, no
/// surrogates, nothing beyond U+10FFFF), or 0.
size_t Utf8SequenceLength(std::string_view text, size_t at);
bool IsUtf8(std::string_view text);

}  // namespace ridgeline

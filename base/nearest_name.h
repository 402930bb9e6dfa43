/// "Did you mean": the candidate with the smallest Damerau-Levenshtein distance, if it is near
/// enough to be a slip (at most a third of the word, and at least one edit allowed). Ties go to the
/// first candidate. O(words x length^2).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ridgeline {
std::optional<std::string> NearestName(std::string_view word,
                                       std::span<const std::string> candidates);
/// "did you mean X?" or, when none is near, "known: a, b, c" (at most a dozen); for hints.
std::string SuggestName(std::string_view word, std::span<const std::string> candidates);
}  // namespace ridgeline

#include "base/nearest_name.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ridgeline {
namespace {

// Longer words are no slip of the pen, and the distance is quadratic in them.
constexpr size_t kLongestWord = 120;
constexpr size_t kMostListed = 12;

/// Lower case, with every separator alike: words equal in this form differ by spelling only.
std::string Folded(std::string_view word) {
  std::string folded(word);
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    } else if (c == '-' || c == ' ') {
      c = '_';
    }
  }
  return folded;
}

/// Edits (insert, delete, replace, swap of neighbours) from `a` to `b`; optimal string alignment.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    last[j] = j;
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({last[j] + 1, current[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, current);
  }
  return last[b.size()];
}

}  // namespace

std::optional<std::string> NearestName(std::string_view word,
                                       std::span<const std::string> candidates) {
  if (word.empty() || word.size() > kLongestWord) {
    return std::nullopt;
  }
  const std::string folded = Folded(word);
  const size_t allowed = std::max<size_t>(1, word.size() / 3);
  const std::string* nearest = nullptr;
  size_t smallest = allowed + 1;
  for (const std::string& candidate : candidates) {
    const size_t longer = std::max(candidate.size(), word.size());
    const size_t shorter = std::min(candidate.size(), word.size());
    if (longer - shorter > allowed) {
      continue;
    }
    const size_t distance =
        Folded(candidate) == folded ? 0 : std::max<size_t>(1, EditDistance(word, candidate));
    // A one-letter word is one edit from every other: that is no resemblance.
    if (distance < smallest && distance < longer) {
      smallest = distance;
      nearest = &candidate;
    }
  }
  return nearest == nullptr ? std::nullopt : std::optional<std::string>(*nearest);
}

std::string SuggestName(std::string_view word, std::span<const std::string> candidates) {
  if (const std::optional<std::string> nearest = NearestName(word, candidates)) {
    return fmt::format("did you mean {}?", *nearest);
  }
  if (candidates.empty()) {
    return {};
  }
  const size_t listed = std::min(candidates.size(), kMostListed);
  return fmt::format("known: {}{}", fmt::join(candidates.first(listed), ", "),
                     listed < candidates.size() ? ", ..." : "");
}

}  // namespace ridgeline
